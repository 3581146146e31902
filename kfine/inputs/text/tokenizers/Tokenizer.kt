// Text to token ids on Android, as tokenizer.json says: the rules of kfine's docs/tokenizers.md.
// Needs API level 24 (android.icu); org.json is part of Android. Prove a change with the bundle's
// golden texts. Example:
//
//     val tokenizer = Tokenizer(File(context.filesDir, "bundle"))
//     val encoding = tokenizer.encode(tokenizer.tokenize("A fine film."))

import android.icu.lang.UCharacter
import android.icu.text.Normalizer2
import java.io.File
import java.util.Locale
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
    private data class Range(val first: Int, val last: Int, val name: String)
    private data class Pair(val rank: Int, val left: Int, val first: String, val second: String)

    private val rules = JSONObject(read("tokenizer.json"))
    private val kind: String = rules.getString("kind")
    private val vocabulary = HashMap<String, Int>()
    private val ranks = HashMap<String, Int>()
    private val ranges = ArrayList<Range>()
    private val classes = HashMap<Int, String>()
    private val lower = HashMap<Int, String>()
    private val whole = HashSet<Int>()
    private val specials = strings("special_tokens_in_text").sortedByDescending { it.length }
    private val byteLetters = byteLetters()

    init {
        require(rules.getString("format") == "kfine-tokenizer-2") { "Unknown tokenizer format." }
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
        for (name in unicode.keys()) when (name) {
            "lower" -> unicode.getJSONObject(name).let { pinned ->
                for (codes in pinned.keys()) for (range in ranges(codes)) for (code in range) {
                    val to = pinned.getString(codes).toInt(16) + code - range.first
                    lower[code] = String(Character.toChars(to))
                }
            }
            "whole" -> ranges(unicode.getString(name)).forEach(whole::addAll)
            else -> ranges(unicode.getString(name)).mapTo(ranges) { Range(it.first, it.last, name) }
        }
    }

    /** Ranges of hexadecimal numbers, such as "41-5A 61". */
    private fun ranges(text: String): List<IntRange> = text.split(" ").map { range ->
        val ends = range.split("-").map { it.toInt(16) }
        ends.first()..ends.last()
    }

    /** The class of tokenizer.json that a character is in; empty for others. */
    private fun classOf(code: Int): String =
        classes.getOrPut(code) { ranges.firstOrNull { code in it.first..it.last }?.name ?: "" }

    /** The tokens of a text, without special tokens and padding. */
    fun tokenize(text: String): List<Token> =
        if (kind == "wordpiece") wordPieces(letters(text))
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

    private fun specialAt(letters: List<Letter>, place: Int): List<Letter>? = specials.firstNotNullOfOrNull {
        val length = it.codePointCount(0, it.length)
        letters.subList(place, minOf(place + length, letters.size)).takeIf { part -> join(part) == it }
    }

    // WordPiece

    private fun wordPieces(letters: List<Letter>): List<Token> {
        val tokens = ArrayList<Token>()
        var from = 0
        var place = 0
        while (place < letters.size) {
            val special = specialAt(letters, place)
            if (special == null) { place++; continue }
            words(letters.subList(from, place)).flatMapTo(tokens, ::pieces)
            tokens.add(token(join(special), special))
            place += special.size
            from = place
        }
        return tokens + words(letters.subList(from, letters.size)).flatMap(::pieces)
    }

    private fun words(text: List<Letter>): List<List<Letter>> {
        // Without control characters, and a plain space for each other.
        var letters = text.filter { classOf(it.code) != "dropped" }
            .map { if (classOf(it.code) == "spaces") it.copy(code = 32) else it }
        if (rules.getBoolean("strip_accents")) letters = withoutMarks(letters)
        if (rules.getBoolean("lowercase")) letters = letters.flatMap { parts(it, lower(it.code)) }
        val alone = if (rules.getBoolean("split_cjk")) setOf("alone", "cjk") else setOf("alone")
        val words = ArrayList<List<Letter>>()
        var word = ArrayList<Letter>()
        for (letter in letters) {
            val isAlone = classOf(letter.code) in alone
            if (letter.code != 32 && !isAlone) { word.add(letter); continue }
            if (word.isNotEmpty()) words.add(word)
            if (isAlone) words.add(listOf(letter))
            word = ArrayList()
        }
        if (word.isNotEmpty()) words.add(word)
        return words
    }

    private fun parts(letter: Letter, text: String) = letters(text).map { letter.copy(code = it.code) }

    private fun lower(code: Int): String =
        lower.getOrPut(code) { UCharacter.toLowerCase(Locale.ROOT, String(Character.toChars(code))) }

    /** Letters and accents apart (NFD), the accents put in order and dropped. */
    private fun withoutMarks(letters: List<Letter>): List<Letter> {
        val form = Normalizer2.getNFDInstance()
        val kept = ArrayList<Letter>()
        var marks = ArrayList<Letter>()
        fun keep(letter: Letter) {
            if (classOf(letter.code) != "marks") kept.add(letter)
            else if (kept.isNotEmpty()) kept[kept.lastIndex] = kept.last().let { it.copy(end = maxOf(it.end, letter.end)) }
        }
        for (one in letters) {
            val apart = if (one.code in whole) listOf(one) else parts(one, form.normalize(join(listOf(one))))
            for (letter in apart) {
                if (order(letter.code) != 0) { marks.add(letter); continue }
                marks.sortedBy { order(it.code) }.forEach(::keep)
                keep(letter)
                marks = ArrayList()
            }
        }
        marks.sortedBy { order(it.code) }.forEach(::keep)
        return kept
    }

    private fun order(code: Int): Int =
        if (classOf(code) == "marks" || classOf(code) == "ordered") UCharacter.getCombiningClass(code) else 0

    private fun pieces(word: List<Letter>): List<Token> {
        val unknown = listOf(token(rules.getString("unknown_token"), word))
        if (word.size > rules.getInt("max_word_characters")) return unknown
        val tokens = ArrayList<Token>()
        var start = 0
        while (start < word.size) {
            val prefix = if (start == 0) "" else rules.getString("suffix_indicator")
            val end = (word.size downTo start + 1).firstOrNull { prefix + join(word.subList(start, it)) in vocabulary }
                ?: return unknown
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
                else -> when (classOf(letter.code)) {
                    "letters" -> "z"
                    "numbers" -> "0"
                    "others" -> "."
                    else -> when (UCharacter.getType(letter.code)) {
                        1, 2, 3, 4, 5 -> "z"
                        9, 10, 11 -> "0"
                        else -> "."
                    }
                }
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
