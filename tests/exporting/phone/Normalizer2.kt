// Stands in for Android's ICU, with what Java knows.
package android.icu.text

import java.text.Normalizer

class Normalizer2(private val form: Normalizer.Form, private val folds: Boolean = false) {
    /** The program folds letter by letter. */
    fun normalize(text: String): String {
        val plain = Normalizer.normalize(text, form)
        if (!folds) return plain
        val upper = plain.lowercase().uppercase()
        val folded = if (upper.any { it in CHEROKEE }) upper else upper.lowercase()
        return Normalizer.normalize(folded.filterNot { it in IGNORED }, form)
    }

    fun isNormalized(text: String) = Normalizer.isNormalized(text, form)
    fun hasBoundaryBefore(code: Int) = code < 0x300

    companion object {
        private val CHEROKEE = '\u13a0'..'\u13fd'
        private const val IGNORED = "\u00ad\u034f\ufe0f"

        fun getNFCInstance() = Normalizer2(Normalizer.Form.NFC)
        fun getNFDInstance() = Normalizer2(Normalizer.Form.NFD)
        fun getNFKCCasefoldInstance() = Normalizer2(Normalizer.Form.NFKC, folds = true)
    }
}
