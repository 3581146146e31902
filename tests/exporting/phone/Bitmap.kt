// Stands in for Android's photos; the pixels of one in graphics memory cannot be read.
package android.graphics

class Bitmap(val width: Int, val height: Int, val config: Config, private val colours: IntArray) {
    enum class Config { ARGB_8888, HARDWARE }

    @Suppress("UNUSED_PARAMETER")
    fun copy(config: Config, isMutable: Boolean) = Bitmap(width, height, config, colours)

    fun getPixels(pixels: IntArray, offset: Int, stride: Int, x: Int, y: Int, width: Int, height: Int) {
        check(config != Config.HARDWARE) { "unable to getPixels(), pixel access is not supported on Config#HARDWARE bitmaps" }
        check(offset == 0 && x == 0 && y == 0 && stride == width && width * height == colours.size)
        colours.copyInto(pixels)
    }
}
