// Reads cases from standard input, a JSON object a line: texts, and what the model says of them.
// Writes for each the rows that the model was given, and what was found.

import Foundation
import TensorFlowLite

func find() throws -> ([String]) throws -> [[Any]] {
    func scalars(_ text: String, _ range: Range<String.Index>) -> [Any] {
        [range.lowerBound, range.upperBound].map { text.unicodeScalars.distance(from: text.startIndex, to: $0) }
    }
    switch CommandLine.arguments[1] {
    case "entities":
        let finder = try EntityFinder()
        return { texts in
            try finder.find(texts[0]).map { [$0.type] + scalars(texts[0], $0.range) + [$0.probability, String(texts[0][$0.range])] }
        }
    case "answer":
        let finder = try AnswerFinder()
        return { texts in
            guard let answer = try finder.find(texts[0], in: texts[1]) else { return [] }
            return [scalars(texts[1], answer.range) + [answer.score, String(texts[1][answer.range])]]
        }
    case "classes":
        let classifier = try Classifier()
        return { texts in try classifier.classify(texts[0]).map { [$0.key, $0.value] } }
    default:
        let tokenizer = try Tokenizer(folder: URL(fileURLWithPath: CommandLine.arguments[2] + "/tokenizer"))
        return { texts in
            let encoding = try tokenizer.encode(texts.map(tokenizer.tokenize))
            Interpreter.rows = [encoding.tokenIds.map(Int32.init).withUnsafeBufferPointer { Data(buffer: $0) }]
            return encoding.tokens.map { token in token.map { [$0.start, $0.end] } ?? [] }
        }
    }
}

let found = try find()
while let line = readLine() {
    let row = try JSONSerialization.jsonObject(with: Data(line.utf8)) as! [String: Any]
    let values = (row["values"] as! [NSNumber]).map { $0.floatValue }
    Interpreter.values = values.withUnsafeBufferPointer { Data(buffer: $0) }
    Interpreter.rows = []
    let answer = try found(row["texts"] as! [String])
    let rows = Interpreter.rows.map { $0.withUnsafeBytes { Array($0.bindMemory(to: Int32.self)) } }
    print(String(decoding: try JSONSerialization.data(withJSONObject: [rows, answer]), as: UTF8.self))
}
