// Stands in for Android's assets: the files of a folder.
package android.content

import java.io.Closeable
import java.io.File
import java.io.FileInputStream

class Context(folder: File) {
    val assets = Assets(folder)
}

class Assets(private val folder: File) {
    fun open(name: String) = File(folder, name).inputStream()
    fun openFd(name: String) = OpenFile(FileInputStream(File(folder, name)))
}

class OpenFile(private val stream: FileInputStream) : Closeable {
    val fileDescriptor = stream.fd
    val startOffset = 0L
    val declaredLength = stream.channel.size()
    override fun close() = stream.close()
}
