// Stands in for Android's JSON: what the programs use of it.
package org.json

class JSONObject(private val values: Map<*, *>) {
    constructor(text: String) : this(Reader(text).value() as Map<*, *>)

    fun getString(name: String) = values.getValue(name) as String
    fun getInt(name: String) = (values.getValue(name) as Double).toInt()
    fun getBoolean(name: String) = values.getValue(name) as Boolean
    fun getJSONObject(name: String) = JSONObject(values.getValue(name) as Map<*, *>)
    fun getJSONArray(name: String) = JSONArray(values.getValue(name) as List<*>)
    fun keys() = values.keys.map { it as String }.iterator()
    private fun Map<*, *>.getValue(name: String) = this[name] ?: error("no $name")
}

class JSONArray(private val values: List<*>) {
    fun length() = values.size
    fun getString(place: Int) = values[place] as String
    fun getDouble(place: Int) = values[place] as Double
}

private class Reader(private val text: String) {
    private var place = 0

    fun value(): Any? = when (next()) {
        '{' -> HashMap<String, Any?>().also { list('}') { val key = value() as String; next(':'); it[key] = value() } }
        '[' -> ArrayList<Any?>().also { list(']') { it.add(value()) } }
        '"' -> string()
        else -> Regex("[^,\\]}\\s]+").matchAt(text, place - 1)!!.value.let {
            place += it.length - 1
            if (it[0] in "tfn") mapOf("true" to true, "false" to false)[it] else it.toDouble()
        }
    }

    private fun next(): Char {
        while (text[place].isWhitespace()) place++
        return text[place++]
    }

    private fun next(wanted: Char) = check(next() == wanted)

    private fun list(end: Char, item: () -> Unit) {
        if (next() == end) return
        place--
        do item() while (next() == ',')
    }

    private fun string() = buildString {
        while (true) when (val char = text[place++]) {
            '"' -> return@buildString
            '\\' -> when (val escaped = text[place++]) {
                'u' -> append(text.substring(place, place + 4).toInt(16).toChar()).also { place += 4 }
                else -> append(mapOf('n' to '\n', 't' to '\t', 'r' to '\r', 'b' to '\b', 'f' to '\u000c')[escaped] ?: escaped)
            }
            else -> append(char)
        }
    }
}
