// Stands in for Android's version.
package android.os

object Build {
    object VERSION { val SDK_INT = 35 }
    object VERSION_CODES { const val O = 26 }
}
