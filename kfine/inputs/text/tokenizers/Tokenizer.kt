// Text to token ids on Android, as tokenizer.json says: the rules of kfine's docs/tokenizers.md.
// Needs API level 24 (android.icu); org.json is part of Android. Prove a change with the bundle's
// golden texts. Example:
//
//     val tokenizer = Tokenizer(File(context.filesDir, "bundle"))
//     val encoding = tokenizer.encode(tokenizer.tokenize("A fine film."))

import android.icu.lang.UCharacter
import android.icu.text.Normalizer2
import java.io.File
import java.util.PriorityQueue
import org.json.JSONObject

/** An id, and the span of the text that it stands for, in UTF-16 units as String counts them. */
data class Token(val id: Int, val start: Int, val end: Int)

class Encoding(
    val tokenIds: IntArray, val paddingMask: IntArray, val segmentIds: IntArray,
    /** Null where the model sees a special token or padding. */
    val tokens: List<Token?>,
    /** How many tokens of the texts did not fit. */
    val tokensCut: Int,
)

/** Takes the content of each file of the tokenizer, by its name. */
class Tokenizer(read: (String) -> String) {
    constructor(folder: File) : this({ File(folder, it).readText() })

    private data class Letter(val code: Int, val start: Int, val end: Int)
    private data class Pair(val rank: Int, val left: Int, val first: String, val second: String)

    private val rules = JSONObject(read("tokenizer.json"))
    private val kind: String = rules.getString("kind")
    private val vocabulary = HashMap<String, Int>()
    private val ranks = HashMap<String, Int>()
    private val categories = HashMap<Int, String>()
    private val folds = HashMap<Int, String>()
    private val specials = strings("special_tokens_in_text").sortedByDescending { it.length }
    private val byteLetters = byteLetters()

    init {
        require(rules.getString("format") == "kfine-tokenizer-1") { "Unknown tokenizer format." }
        require(kind == "wordpiece" || kind == "bpe") { "This file does not read a $kind tokenizer." }
        val text = read(rules.getString("vocabulary"))
        if (kind == "wordpiece") {
            text.removeSuffix("\n").split("\n").forEachIndexed { id, line -> vocabulary[line.trimEnd()] = id }
        } else {
            val json = JSONObject(text)
            json.keys().forEach { vocabulary[it] = json.getInt(it) }
            read(rules.getString("merges")).lines()
                .filter { it.isNotEmpty() && "#version:" !in it }
                .forEachIndexed { rank, line -> ranks[line.trimEnd()] = rank }
        }
        val unicode = rules.getJSONObject("unicode")
        val named = unicode.getJSONObject("categories")
        for (category in named.keys()) for (range in named.getString(category).split(" ")) {
            val ends = range.split("-").map { it.toInt(16) }
            for (code in ends.first()..ends.last()) categories[code] = category
        }
        val folded = unicode.getJSONObject("fold")
        folded.keys().forEach { folds[it.toInt(16)] = folded.getString(it) }
    }

    /** The tokens of a text, without special tokens and padding. */
    fun tokenize(text: String): List<Token> =
        if (kind == "wordpiece") words(text).flatMap(::wordPieces)
        else {
            val shift = if (rules.getBoolean("add_prefix_space")) 1 else 0
            bytePairWords(" ".repeat(shift) + text).flatMap(::bytePairs)
                .map { Token(it.id, maxOf(it.start - shift, 0), it.end - shift) }
        }

    /** Special tokens, truncation and padding around the tokens of one text or two. */
    fun encode(vararg segments: List<Token>): Encoding {
        val start = ids("start"); val separator = ids("separator"); val end = ids("end")
        val length = rules.getInt("sequence_length")
        val budget = length - start.size - end.size - separator.size * (segments.size - 1)
        require(budget >= 0) { "A sequence length of $length is too short for the special tokens." }
        val kept = IntArray(segments.size)
        if (rules.getString("truncate") == "waterfall") {
            for (n in segments.indices) kept[n] = minOf(segments[n].size, budget - kept.sum())
        } else {
            while (kept.sum() < minOf(budget, segments.sumOf { it.size })) for (n in segments.indices) {
                if (kept[n] < segments[n].size && kept.sum() < budget) kept[n]++
            }
        }
        val rows = ArrayList<Triple<Int, Int, Token?>>()
        start.mapTo(rows) { Triple(it, 0, null) }
        for (n in segments.indices) {
            segments[n].take(kept[n]).mapTo(rows) { Triple(it.id, n, it) }
            (if (n == segments.lastIndex) end else separator).mapTo(rows) { Triple(it, n, null) }
        }
        val padding = vocabulary.getValue(rules.getString("padding"))
        while (rows.size < length) rows.add(Triple(padding, 0, null))
        return Encoding(
            rows.map { it.first }.toIntArray(),
            rows.map { if (it.first == padding) 0 else 1 }.toIntArray(),
            rows.map { it.second }.toIntArray(),
            rows.map { it.third },
            segments.sumOf { it.size } - kept.sum(),
        )
    }

    private fun strings(name: String) = rules.getJSONArray(name).let { a -> List(a.length()) { a.getString(it) } }
    private fun ids(name: String) = strings(name).map(vocabulary::getValue)

    private fun letters(text: String): List<Letter> {
        val letters = ArrayList<Letter>()
        var place = 0
        while (place < text.length) {
            val code = text.codePointAt(place)
            letters.add(Letter(code, place, place + Character.charCount(code)))
            place += Character.charCount(code)
        }
        return letters
    }

    private fun join(word: List<Letter>) = buildString { word.forEach { appendCodePoint(it.code) } }

    private fun category(code: Int): String = categories[code] ?: when (UCharacter.getType(code)) {
        1, 2, 3, 4, 5 -> "L"
        6 -> "Mn"
        9, 10, 11 -> "N"
        15 -> "Cc"
        16 -> "Cf"
        12, 13, 14 -> "Z"
        19, 20, 21, 22, 23, 28, 29 -> "P"
        else -> ""
    }

    private fun specialAt(letters: List<Letter>, place: Int): List<Letter>? = specials.firstNotNullOfOrNull {
        val length = it.codePointCount(0, it.length)
        letters.subList(place, minOf(place + length, letters.size)).takeIf { part -> join(part) == it }
    }

    // WordPiece

    private fun words(text: String): List<List<Letter>> {
        var letters = letters(text)
        if (rules.getBoolean("strip_accents")) {
            letters = normalized(letters, Normalizer2.getNFDInstance()).filter { category(it.code) != "Mn" }
        }
        val words = ArrayList<List<Letter>>()
        var word = ArrayList<Letter>()
        fun close() { if (word.isNotEmpty()) words.add(word); word = ArrayList() }
        var place = 0
        while (place < letters.size) {
            val special = specialAt(letters, place)
            val code = letters[place].code
            val category = category(code)
            if (special != null) {
                close(); words.add(special); place += special.size
                continue
            }
            if (category == "Z" || category == "Cc" || category == "Cf") close()
            else if (category == "P" || code in 33..126 && !Character.isLetterOrDigit(code)
                || rules.getBoolean("split_cjk") && isCjk(code)) { close(); words.add(listOf(letters[place])) }
            else word.add(letters[place])
            place++
        }
        close()
        return words
    }

    private fun isCjk(code: Int) = code in 0x4E00..0x9FFF || code in 0x3400..0x4DBF || code in 0xF900..0xFAFF ||
        code in 0x20000..0x2A6DF || code in 0x2A700..0x2CEAF || code in 0x2F800..0x2FA1F

    /** Normalises in parts that cannot influence each other, so that each letter keeps its span. */
    private fun normalized(word: List<Letter>, form: Normalizer2): List<Letter> {
        val parts = ArrayList<ArrayList<Letter>>()
        fun apart(letter: Letter) = form.hasBoundaryBefore(letter.code) ||
            UCharacter.getCombiningClass(letter.code) == 0 &&
            form.normalize(join(parts.last() + letter)) == form.normalize(join(parts.last())) + join(listOf(letter))
        for (letter in word) {
            if (parts.isEmpty() || apart(letter)) parts.add(ArrayList())
            parts.last().add(letter)
        }
        return parts.flatMap { part ->
            letters(form.normalize(join(part))).map { Letter(it.code, part.first().start, part.last().end) }
        }
    }

    private fun fold(word: List<Letter>): List<Letter> {
        val form = Normalizer2.getNFKCCasefoldInstance()
        val mapped = word.flatMap { letter ->
            val to = folds[letter.code] ?: String(Character.toChars(letter.code))
            letters(if (letter.code in categories) to else form.normalize(to))
                .map { Letter(it.code, letter.start, letter.end) }
        }
        val composed = Normalizer2.getNFCInstance()
        return if (composed.isNormalized(join(mapped))) mapped else normalized(mapped, composed)
    }

    private fun wordPieces(original: List<Letter>): List<Token> {
        if (join(original) in specials) return listOf(token(join(original), original))
        val word = if (rules.getBoolean("lowercase")) fold(original) else original
        val unknown = rules.getString("unknown_token")
        if (join(word).toByteArray().size > rules.getInt("max_word_bytes")) return listOf(token(unknown, word))
        val tokens = ArrayList<Token>()
        var start = 0
        while (start < word.size) {
            val prefix = if (start == 0) "" else rules.getString("suffix_indicator")
            val end = (word.size downTo start + 1).firstOrNull { prefix + join(word.subList(start, it)) in vocabulary }
                ?: return listOf(token(unknown, word))
            tokens.add(token(prefix + join(word.subList(start, end)), word.subList(start, end)))
            start = end
        }
        return tokens
    }

    private fun token(piece: String, letters: List<Letter>) =
        Token(vocabulary.getValue(piece), letters.first().start, letters.last().end)

    // Byte-level BPE

    private val mark = 0x096C
    private val spaces = "\u00a0\u2009\u202f\u3000"
    private val white = "\t\n\u000c\r $spaces"
    private val expression = Regex(
        "'s|'t|'re|'ve|'m|'ll|'d|[$white]+[\n\r\t\u000c\u096c$spaces]| ?[A-Za-z]+| ?[0-9\u096c]+|" +
            " ?[^${white}A-Za-z0-9\u096c]+"
    )

    private fun bytePairWords(text: String): List<List<Letter>> {
        val marked = ArrayList<Letter>()
        val plain = letters(text)
        for ((place, letter) in plain.withIndex()) {
            val next = plain.getOrNull(place + 1)?.code
            if (letter.code == 32 && next != null && (next > 0xFFFF || next.toChar() !in white)) {
                marked.add(Letter(mark, letter.start, letter.start))
            }
            marked.add(letter)
        }
        if (Regex("[\t\n\u000c\r ]$spaces\\z").containsMatchIn(text)) marked.add(Letter(mark, text.length, text.length))
        val words = ArrayList<List<Letter>>()
        var from = 0
        var place = 0
        while (place < marked.size) {
            val special = specialAt(marked, place)
            if (special == null) { place++; continue }
            cut(marked.subList(from, place), words)
            words.add(special)
            place += special.size
            from = place
        }
        cut(marked.subList(from, marked.size), words)
        return words.filter { it.isNotEmpty() && (it.size > 1 || it[0].code != mark) }
    }

    private fun cut(part: List<Letter>, words: MutableList<List<Letter>>) {
        val shape = part.joinToString("") { letter ->
            when {
                letter.code < 128 || letter.code == mark || letter.code <= 0xFFFF && letter.code.toChar() in spaces ->
                    letter.code.toChar().toString()
                category(letter.code).startsWith("L") -> "z"
                category(letter.code).startsWith("N") -> "0"
                else -> "."
            }
        }
        var place = 0
        for (match in expression.findAll(shape)) {
            if (match.range.first > place) split(part.subList(place, match.range.first), words)
            place = match.range.last + 1
            split(part.subList(match.range.first, place), words)
        }
        if (place < part.size) split(part.subList(place, part.size), words)
    }

    private fun split(word: List<Letter>, words: MutableList<List<Letter>>) {
        val last = word.last().code
        val ends = last == mark || last <= 0xFFFF && last.toChar() in " \t\r\u000c\u000b$spaces"
        val middle = if (ends) word.size - 1 else word.size
        words.add(word.subList(0, middle))
        words.add(word.subList(middle, word.size))
    }

    private fun bytePairs(word: List<Letter>): List<Token> {
        if (join(word) in specials) return listOf(token(join(word), word))
        val source = word.flatMap { letter -> List(join(listOf(letter)).toByteArray().size) { letter } }
        val symbols = join(word).toByteArray().map { byteLetters[it.toInt() and 255] }.toTypedArray<String?>()
        var place = 0
        return merged(symbols).map { symbol ->
            val first = source[place]
            val last = source[place + symbol.length - 1]
            place += symbol.length
            val start = if (first.code == 32 && first != last) first.end else first.start
            Token(vocabulary.getValue(symbol), start, last.end)
        }
    }

    private fun merged(symbols: Array<String?>): List<String> {
        val after = IntArray(symbols.size) { it + 1 }
        val before = IntArray(symbols.size) { it - 1 }
        val queue = PriorityQueue<Pair>(compareBy({ it.rank }, { it.left }))
        fun offer(left: Int) {
            if (left < 0 || after[left] >= symbols.size) return
            val first = symbols[left]!!
            val second = symbols[after[left]]!!
            ranks["$first $second"]?.let { queue.add(Pair(it, left, first, second)) }
        }
        symbols.indices.forEach(::offer)
        while (queue.isNotEmpty()) {
            val pair = queue.poll()!!
            val right = after[pair.left]
            if (right >= symbols.size || symbols[pair.left] != pair.first || symbols[right] != pair.second) continue
            symbols[pair.left] = pair.first + pair.second
            symbols[right] = null
            after[pair.left] = after[right]
            if (after[right] < symbols.size) before[after[right]] = pair.left
            offer(before[pair.left])
            offer(pair.left)
        }
        return symbols.filterNotNull()
    }

    private fun byteLetters(): List<String> {
        val printable = (33..126) + (161..172) + (174..255)
        val others = (0..255) - printable.toSet()
        return List(256) { (if (it in printable) it else 256 + others.indexOf(it)).toChar().toString() }
    }
}
