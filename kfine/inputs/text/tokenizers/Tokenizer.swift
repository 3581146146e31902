// Text to token ids on iOS, as tokenizer.json says: the rules of kfine's docs/tokenizers.md.
// Needs Foundation only. Prove it in your app with the bundle's golden texts. Example:
//
//     let tokenizer = try Tokenizer(folder: bundleURL)
//     let encoding = try tokenizer.encode([tokenizer.tokenize("A fine film.")])

import Foundation

enum TokenizerError: Error { case unusable(String) }

/// An id, and the span of the text that it stands for, in Unicode scalars.
struct Token { let id: Int; let start: Int; let end: Int }

struct Encoding {
    var tokenIds: [Int] = [], paddingMask: [Int] = [], segmentIds: [Int] = []
    /// Nil where the model sees a special token or padding.
    var tokens: [Token?] = []
    /// How many tokens of the texts did not fit.
    var tokensCut = 0
}

final class Tokenizer {
    private struct Letter { let scalar: Unicode.Scalar; let start: Int; let end: Int }

    private let rules: [String: Any]
    private let isWordPiece: Bool
    // By bytes: as keys, Swift takes "é" and "e\u{301}" for the same text.
    private var vocabulary: [[UInt8]: Int] = [:]
    private var ranks: [String: Int] = [:]
    private var ranges: [(codes: ClosedRange<UInt32>, name: String)] = []
    private var classes: [UInt32: String] = [:]
    private var lower: [UInt32: String] = [:]
    private var whole: Set<UInt32> = []
    private let specials: [String]
    private let byteLetters: [String]

    init(folder: URL) throws {
        func json(_ name: String) throws -> [String: Any] {
            let data = try Data(contentsOf: folder.appendingPathComponent(name))
            return try JSONSerialization.jsonObject(with: data) as? [String: Any] ?? [:]
        }
        func lines(_ name: String) throws -> [String] {
            let text = try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
            var lines = text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).map { String($0) }
            if lines.last == "" { lines.removeLast() }
            return lines.map { $0.replacingOccurrences(of: "\\s+$", with: "", options: .regularExpression) }
        }
        rules = try json("tokenizer.json")
        let kind = rules["kind"] as? String ?? ""
        guard rules["format"] as? String == "kfine-tokenizer-2", ["wordpiece", "bpe"].contains(kind) else {
            throw TokenizerError.unusable("This file does not read a \(kind) tokenizer.")
        }
        isWordPiece = kind == "wordpiece"
        specials = (rules["special_tokens_in_text"] as? [String] ?? []).sorted { $0.count > $1.count }
        let printable = Array(33...126) + Array(161...172) + Array(174...255)
        let others = (0...255).filter { !printable.contains($0) }
        byteLetters = (0...255).map { byte in
            String(Unicode.Scalar(UInt32(others.firstIndex(of: byte).map { 256 + $0 } ?? byte))!)
        }
        let file = rules["vocabulary"] as? String ?? ""
        if isWordPiece {
            for (id, line) in try lines(file).enumerated() { vocabulary[Array(line.utf8)] = id }
        } else {
            for (token, id) in try json(file) { vocabulary[Array(token.utf8)] = id as? Int }
            let merges = try lines(rules["merges"] as? String ?? "").filter { !$0.isEmpty && !$0.contains("#version:") }
            for (rank, line) in merges.enumerated() { ranks[line] = rank }
        }
        // Ranges of hexadecimal numbers, such as "41-5A 61".
        func codes(_ text: String) -> [ClosedRange<UInt32>] {
            text.split(separator: " ").map { range in
                let ends = range.split(separator: "-").compactMap { UInt32($0, radix: 16) }
                return ends.first!...ends.last!
            }
        }
        for (name, value) in rules["unicode"] as? [String: Any] ?? [:] {
            if let pinned = value as? [String: String] {
                for (text, to) in pinned {
                    for range in codes(text) {
                        for code in range {
                            let scalar = Unicode.Scalar(UInt32(to, radix: 16)! + code - range.lowerBound)!
                            lower[code] = String(scalar)
                        }
                    }
                }
            } else if let text = value as? String {
                if name == "whole" { codes(text).forEach { whole.formUnion($0) } }
                else { ranges += codes(text).map { ($0, name) } }
            }
        }
    }

    /// The class of tokenizer.json that a character is in; empty for others.
    private func classOf(_ scalar: Unicode.Scalar) -> String {
        if let known = classes[scalar.value] { return known }
        let found = ranges.first { $0.codes.contains(scalar.value) }?.name ?? ""
        classes[scalar.value] = found
        return found
    }

    /// The tokens of a text, without special tokens and padding.
    func tokenize(_ text: String) -> [Token] {
        if isWordPiece { return wordPieces(letters(text)) }
        let shift = flag("add_prefix_space") ? 1 : 0
        return bytePairWords(letters(String(repeating: " ", count: shift) + text)).flatMap(bytePairs)
            .map { Token(id: $0.id, start: max($0.start - shift, 0), end: $0.end - shift) }
    }

    /// Special tokens, truncation and padding around the tokens of one text or two.
    func encode(_ segments: [[Token]]) throws -> Encoding {
        let start = ids("start"), separator = ids("separator"), end = ids("end")
        let length = rules["sequence_length"] as? Int ?? 0
        let budget = length - start.count - end.count - separator.count * (segments.count - 1)
        guard budget >= 0 else { throw TokenizerError.unusable("A sequence length of \(length) is too short.") }
        var kept = segments.map { _ in 0 }
        if rules["truncate"] as? String == "waterfall" {
            for n in segments.indices { kept[n] = min(segments[n].count, budget - kept.reduce(0, +)) }
        } else {
            let wanted = min(budget, segments.reduce(0) { $0 + $1.count })
            while kept.reduce(0, +) < wanted {
                for n in segments.indices where kept[n] < segments[n].count && kept.reduce(0, +) < budget { kept[n] += 1 }
            }
        }
        let padding = lookUp(rules["padding"] as? String ?? "") ?? 0
        var encoding = Encoding(tokensCut: segments.reduce(0) { $0 + $1.count } - kept.reduce(0, +))
        func add(_ id: Int, _ segment: Int, _ token: Token?) {
            encoding.tokenIds.append(id)
            encoding.paddingMask.append(id == padding ? 0 : 1)
            encoding.segmentIds.append(segment)
            encoding.tokens.append(token)
        }
        for id in start { add(id, 0, nil) }
        for (n, segment) in segments.enumerated() {
            for token in segment.prefix(kept[n]) { add(token.id, n, token) }
            for id in n == segments.count - 1 ? end : separator { add(id, n, nil) }
        }
        while encoding.tokenIds.count < length { add(padding, 0, nil) }
        return encoding
    }

    private func flag(_ name: String) -> Bool { rules[name] as? Bool ?? false }
    private func ids(_ name: String) -> [Int] { (rules[name] as? [String] ?? []).compactMap(lookUp) }

    private func letters(_ text: String) -> [Letter] {
        text.unicodeScalars.enumerated().map { Letter(scalar: $1, start: $0, end: $0 + 1) }
    }

    private func join<Letters: Sequence>(_ word: Letters) -> String where Letters.Element == Letter {
        var scalars = String.UnicodeScalarView()
        scalars.append(contentsOf: word.map { $0.scalar })
        return String(scalars)
    }

    private func same(_ a: String, _ b: String) -> Bool { a.utf8.elementsEqual(b.utf8) }

    private func special(_ word: [Letter]) -> Int? {
        let text = join(word)
        return specials.contains { same($0, text) } ? lookUp(text) : nil
    }

    private func specialLength(_ letters: [Letter], _ place: Int) -> Int? {
        specials.map { Array($0.unicodeScalars) }.first { special in
            place + special.count <= letters.count
                && special.indices.allSatisfy { letters[place + $0].scalar == special[$0] }
        }?.count
    }

    // MARK: WordPiece

    private func wordPieces(_ letters: [Letter]) -> [Token] {
        var tokens: [Token] = []
        var from = 0, place = 0
        while place < letters.count {
            guard let length = specialLength(letters, place) else { place += 1; continue }
            let word = letters[place..<place + length]
            tokens += words(letters[from..<place]).flatMap(pieces)
            tokens.append(token(lookUp(join(word)) ?? 0, word))
            place += length
            from = place
        }
        return tokens + words(letters[from...]).flatMap(pieces)
    }

    private func words(_ text: ArraySlice<Letter>) -> [[Letter]] {
        // Without control characters, and a plain space for each other.
        var letters = text.filter { classOf($0.scalar) != "dropped" }.map { letter in
            classOf(letter.scalar) == "spaces" ? Letter(scalar: " ", start: letter.start, end: letter.end) : letter
        }
        if flag("strip_accents") { letters = withoutMarks(letters) }
        if flag("lowercase") { letters = letters.flatMap { parts($0, lower($0.scalar)) } }
        var words: [[Letter]] = [[]]
        for letter in letters {
            let kind = classOf(letter.scalar)
            if kind == "alone" || kind == "cjk" && flag("split_cjk") {
                words += [[letter], []]
            } else if letter.scalar == " " {
                words.append([])
            } else {
                words[words.count - 1].append(letter)
            }
        }
        return words.filter { !$0.isEmpty }
    }

    private func parts(_ letter: Letter, _ text: String) -> [Letter] {
        text.unicodeScalars.map { Letter(scalar: $0, start: letter.start, end: letter.end) }
    }

    private func lower(_ scalar: Unicode.Scalar) -> String { lower[scalar.value] ?? scalar.properties.lowercaseMapping }

    /// Letters and accents apart (NFD), the accents put in order and dropped.
    private func withoutMarks(_ letters: [Letter]) -> [Letter] {
        var kept: [Letter] = [], marks: [Letter] = []
        func keep(_ letter: Letter) {
            if classOf(letter.scalar) != "marks" {
                kept.append(letter)
            } else if let last = kept.popLast() {
                kept.append(Letter(scalar: last.scalar, start: last.start, end: max(last.end, letter.end)))
            }
        }
        func keepMarks() {
            // By place too: Swift does not promise to keep the order of equals.
            let sorted = marks.enumerated().sorted {
                (order($0.element.scalar), $0.offset) < (order($1.element.scalar), $1.offset)
            }
            sorted.forEach { keep($0.element) }
            marks = []
        }
        for letter in letters {
            let apart = String(letter.scalar).decomposedStringWithCanonicalMapping
            for part in whole.contains(letter.scalar.value) ? [letter] : parts(letter, apart) {
                if order(part.scalar) != 0 { marks.append(part); continue }
                keepMarks()
                keep(part)
            }
        }
        keepMarks()
        return kept
    }

    private func order(_ scalar: Unicode.Scalar) -> UInt8 {
        let kind = classOf(scalar)
        return kind == "marks" || kind == "ordered" ? scalar.properties.canonicalCombiningClass.rawValue : 0
    }

    private func pieces(_ word: [Letter]) -> [Token] {
        let unknown = [token(lookUp(rules["unknown_token"] as? String ?? "") ?? 0, word[...])]
        if word.count > rules["max_word_characters"] as? Int ?? 100 { return unknown }
        var tokens: [Token] = []
        var start = 0
        while start < word.count {
            let prefix = start == 0 ? "" : rules["suffix_indicator"] as? String ?? "##"
            var end = word.count
            while end > start, lookUp(prefix + join(word[start..<end])) == nil { end -= 1 }
            guard end > start, let id = lookUp(prefix + join(word[start..<end])) else { return unknown }
            tokens.append(token(id, word[start..<end]))
            start = end
        }
        return tokens
    }

    private func lookUp(_ piece: String) -> Int? { vocabulary[Array(piece.utf8)] }

    private func token(_ id: Int, _ letters: ArraySlice<Letter>) -> Token {
        Token(id: id, start: letters.first!.start, end: letters.last!.end)
    }

    // MARK: Byte-level BPE

    private static let mark: Unicode.Scalar = "\u{96C}"
    private static let spaces = "\u{A0}\u{2009}\u{202F}\u{3000}"
    private static let white = "\t\n\u{C}\r " + spaces
    private static let expression = try! NSRegularExpression(
        pattern: "'s|'t|'re|'ve|'m|'ll|'d|[\(white)]+[\n\r\t\u{C}\u{96C}\(spaces)]| ?[A-Za-z]+| ?[0-9\u{96C}]+|"
            + " ?[^\(white)A-Za-z0-9\u{96C}]+")

    private func contains(_ set: String, _ scalar: Unicode.Scalar) -> Bool { set.unicodeScalars.contains(scalar) }

    private func bytePairWords(_ text: [Letter]) -> [[Letter]] {
        var marked: [Letter] = []
        for (place, letter) in text.enumerated() {
            if letter.scalar == " ", place + 1 < text.count, !contains(Self.white, text[place + 1].scalar) {
                marked.append(Letter(scalar: Self.mark, start: letter.start, end: letter.start))
            }
            marked.append(letter)
        }
        let tail = text.suffix(5)
        if tail.count == 5, contains("\t\n\u{C}\r ", tail.first!.scalar), same(join(tail.dropFirst()), Self.spaces) {
            marked.append(Letter(scalar: Self.mark, start: text.count, end: text.count))
        }
        var words: [[Letter]] = [], from = 0, place = 0
        while place < marked.count {
            guard let length = specialLength(marked, place) else { place += 1; continue }
            words += cut(Array(marked[from..<place])) + [Array(marked[place..<place + length])]
            place += length
            from = place
        }
        words += cut(Array(marked[from...]))
        return words.filter { !$0.isEmpty && ($0.count > 1 || $0[0].scalar != Self.mark) }
    }

    private func cut(_ part: [Letter]) -> [[Letter]] {
        // Every letter of the shape is one UTF-16 unit, so that the expression's places are ours.
        let shape = part.map { letter -> String in
            if letter.scalar.isASCII || letter.scalar == Self.mark || contains(Self.spaces, letter.scalar) {
                return String(letter.scalar)
            }
            switch classOf(letter.scalar) {
            case "letters": return "z"
            case "numbers": return "0"
            case "others": return "."
            default: break
            }
            switch letter.scalar.properties.generalCategory {
            case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: return "z"
            case .decimalNumber, .letterNumber, .otherNumber: return "0"
            default: return "."
            }
        }.reduce(into: "") { $0.unicodeScalars.append(contentsOf: $1.unicodeScalars) }
        var words: [[Letter]] = [], place = 0
        func add(_ range: Range<Int>) {
            guard let last = part[range].last?.scalar else { return }
            let ends = last == Self.mark || contains(" \t\r\u{C}\u{B}" + Self.spaces, last)
            let middle = ends ? range.upperBound - 1 : range.upperBound
            words += [Array(part[range.lowerBound..<middle]), Array(part[middle..<range.upperBound])]
        }
        for match in Self.expression.matches(in: shape, range: NSRange(location: 0, length: part.count)) {
            add(place..<match.range.location)
            place = match.range.location + match.range.length
            add(match.range.location..<place)
        }
        add(place..<part.count)
        return words
    }

    private func bytePairs(_ word: [Letter]) -> [Token] {
        if let id = special(word) { return [token(id, word[...])] }
        let source = word.flatMap { letter in String(letter.scalar).utf8.map { (letter, byteLetters[Int($0)]) } }
        var symbols = source.map { $0.1 }
        func rank(_ left: Int) -> Int { ranks[symbols[left] + " " + symbols[left + 1]] ?? .max }
        var pairs = symbols.indices.dropLast().map(rank)
        while let best = pairs.min(), best < .max {
            let left = pairs.firstIndex(of: best)!
            pairs.remove(at: left)
            symbols[left] += symbols.remove(at: left + 1)
            for beside in [left - 1, left] where pairs.indices.contains(beside) { pairs[beside] = rank(beside) }
        }
        var place = 0
        return symbols.compactMap { symbol in
            let first = source[place].0, last = source[place + symbol.unicodeScalars.count - 1].0
            place += symbol.unicodeScalars.count
            let start = first.scalar == " " && first.start != last.start ? first.end : first.start
            return lookUp(symbol).map { Token(id: $0, start: start, end: last.end) }
        }
    }
}
