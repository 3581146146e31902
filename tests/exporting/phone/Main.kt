// Reads cases from standard input, a JSON object a line: texts, and what the model says of them.
// Writes for each the ids that the model was given, and what was found.

import android.content.Context
import java.io.File
import org.json.JSONObject
import org.tensorflow.lite.Interpreter

fun main(arguments: Array<String>) {
    val context = Context(File(arguments[1]))
    val find: (List<String>) -> List<Any> = when (arguments[0]) {
        "entities" -> EntityFinder(context).run {
            { (text) -> find(text).map { listOf(quoted(it.type), it.start, it.end, it.probability, quoted(it.text)) } }
        }
        "answer" -> AnswerFinder(context).run {
            { (question, text) ->
                listOfNotNull(find(question, text)).map { listOf(it.start, it.end, it.score, quoted(it.text)) }
            }
        }
        else -> Tokenizer(File(arguments[1], "tokenizer")).run {
            { texts ->
                val encoding = encode(*texts.map(::tokenize).toTypedArray())
                Interpreter.ids = encoding.tokenIds
                encoding.tokens.map { if (it == null) listOf() else listOf(it.start, it.end) }
            }
        }
    }
    System.`in`.bufferedReader().forEachLine { line ->
        val case = JSONObject(line)
        val texts = case.getJSONArray("texts")
        val values = case.getJSONArray("values")
        Interpreter.values = FloatArray(values.length()) { values.getDouble(it).toFloat() }
        val found = find(List(texts.length()) { texts.getString(it) })
        println(listOf(Interpreter.ids.toList(), found))
    }
}

private fun quoted(text: String) = text.map { "\\u%04x".format(it.code) }.joinToString("", "\"", "\"")
