// Package syntax is LogQL as text: the lexer, the parser, the tree they make,
// and the way back from the tree to text.
//
// It owns the grammar and every check that needs no data: which aggregation
// may unwrap, which operator takes bool, that a selector names something. It
// knows nothing of records, stores or time. Errors carry line and column.
//
// It may import the standard library and small unit parsers only.
package syntax
