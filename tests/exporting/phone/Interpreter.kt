// Stands in for LiteRT: answers with the values that are set.
package org.tensorflow.lite

import java.nio.ByteBuffer

@Suppress("UNUSED_PARAMETER")
class Interpreter(model: ByteBuffer) {
    fun run(input: Any, output: Any) {
        ids = (input as Array<*>)[0] as IntArray
        for ((place, row) in ((output as Array<*>)[0] as Array<*>).withIndex()) {
            row as FloatArray
            values.copyInto(row, 0, place * row.size, (place + 1) * row.size)
        }
    }

    fun close() = Unit

    companion object {
        var ids = IntArray(0)
        var values = FloatArray(0)
    }
}
