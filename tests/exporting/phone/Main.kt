// Reads cases from standard input, a JSON object a line: texts, or a photo as its width, height and
// colours; and the values of each output of the model, one after another, with their sizes.
// Writes for each the rows that the model was given, and what was found.

import android.content.Context
import android.graphics.Bitmap
import java.io.File
import org.json.JSONObject
import org.tensorflow.lite.Interpreter

fun main(arguments: Array<String>) {
    val context = Context(File(arguments[1]))
    // The programs ask the file for its outputs when they run it.
    val find: (List<String>) -> List<Any> = when (arguments[0]) {
        "entities" -> EntityFinder(context).run {
            { (text) -> find(text).map { listOf(quoted(it.type), it.start, it.end, it.probability, quoted(it.text)) } }
        }
        "answer" -> AnswerFinder(context).run {
            { (question, text) ->
                listOfNotNull(find(question, text)).map { listOf(it.start, it.end, it.score, quoted(it.text)) }
            }
        }
        "classes" -> Classifier(context).run {
            { (text) -> classify(text).map { listOf(quoted(it.key), it.value) } }
        }
        "photo" -> Predictor(context).run {
            { (width, height, colours) ->
                val pixels = colours.split(" ").map(String::toInt).toIntArray()
                val found = predict(Bitmap(width.toInt(), height.toInt(), Bitmap.Config.HARDWARE, pixels))
                found.map { (name, values) -> listOf(quoted(name)) + values.map { listOf(quoted(it.key), it.value) } }
            }
        }
        "mask" -> Segmenter(context).run {
            { (width, height, colours) ->
                val pixels = colours.split(" ").map(String::toInt).toIntArray()
                val found = segment(Bitmap(width.toInt(), height.toInt(), Bitmap.Config.HARDWARE, pixels))
                val shares = found.shares.map { listOf(quoted(it.key), it.value) }
                listOf(found.mask.toList(), found.height, found.width, shares)
            }
        }
        "objects" -> Detector(context).run {
            { (width, height, colours) ->
                val pixels = colours.split(" ").map(String::toInt).toIntArray()
                val found = detect(Bitmap(width.toInt(), height.toInt(), Bitmap.Config.HARDWARE, pixels))
                found.map { listOf(quoted(it.label), it.probability, it.left, it.top, it.right, it.bottom) }
            }
        }
        else -> Tokenizer(File(arguments[1], "tokenizer")).run {
            { texts ->
                val encoding = encode(*texts.map(::tokenize).toTypedArray())
                Interpreter.rows = listOf(encoding.tokenIds.toList())
                encoding.tokens.map { if (it == null) listOf() else listOf(it.start, it.end) }
            }
        }
    }
    System.`in`.bufferedReader().forEachLine { line ->
        val case = JSONObject(line)
        val texts = case.getJSONArray("texts")
        val values = case.getJSONArray("values")
        val sizes = case.getJSONArray("sizes")
        var place = 0
        Interpreter.values = List(sizes.length()) { number ->
            FloatArray(sizes.getDouble(number).toInt()) { values.getDouble(place++).toFloat() }
        }
        Interpreter.rows = listOf()
        val found = find(List(texts.length()) { texts.getString(it) })
        println(listOf(Interpreter.rows, found))
    }
}

private fun quoted(text: String) = text.map { "\\u%04x".format(it.code) }.joinToString("", "\"", "\"")
