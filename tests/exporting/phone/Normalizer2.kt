// Stands in for Android's ICU, with what Java knows.
package android.icu.text

import java.text.Normalizer

class Normalizer2 {
    fun normalize(text: String): String = Normalizer.normalize(text, Normalizer.Form.NFD)

    companion object {
        fun getNFDInstance() = Normalizer2()
    }
}
