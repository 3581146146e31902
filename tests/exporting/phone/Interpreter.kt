// Stands in for LiteRT: answers every row with the values that are set.
package org.tensorflow.lite

import java.nio.ByteBuffer

class Tensor(private val bytes: Int) {
    fun numBytes() = bytes
}

@Suppress("UNUSED_PARAMETER")
class Interpreter(model: ByteBuffer) {
    val outputTensorCount get() = values.size

    fun resizeInput(place: Int, shape: IntArray) = Unit
    fun getOutputTensor(place: Int) = Tensor(4 * values[place].size)
    fun allocateTensors() = Unit

    fun runForMultipleInputsOutputs(inputs: Array<Any>, outputs: Map<Int, Any>) {
        val given = inputs[0]
        val row = if (given is ByteBuffer) List(given.remaining()) { given.get(it).toInt() and 0xff }
            else ((given as Array<*>)[0] as IntArray).toList()
        rows = rows.plusElement(row)
        for ((place, buffer) in outputs) (buffer as ByteBuffer).asFloatBuffer().put(values[place])
    }

    fun close() = Unit

    companion object {
        var rows = listOf<List<Int>>()
        var values = listOf<FloatArray>()
    }
}
