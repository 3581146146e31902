// Stands in for Android's ICU, with what Java knows.
package android.icu.lang

import java.util.Locale

object UCharacter {
    /** Java's numbers leave out 17. */
    fun getType(code: Int) = Character.getType(code).let { if (it > 16) it - 1 else it }

    /** Every mark is taken for one that combines. */
    fun getCombiningClass(code: Int) = if (getType(code) in 6..8) 230 else 0

    fun toLowerCase(locale: Locale, text: String): String = text.lowercase(locale)
}
