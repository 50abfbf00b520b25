// Package logqltest runs LogQL tests that stand in files: data, queries and
// the answers that are expected, against any store.
//
// A file is a list of blocks. Data:
//
//	clear
//	stream service.name="shop" env="prod"
//	  1.5 {sev=17 trace_id=... user.id="u 1"} text of the record
//	  2 text of a record without attributes
//
// The number is the record's time in seconds. Queries, each followed by its
// answer, indented by two blanks:
//
//	logs [limit=N] [backward] [from=S] [to=S] [streams] [levels] : QUERY
//	instant S : QUERY
//	range START END STEP : QUERY
//	format : QUERY
//
// A line of a log answer is time | line | labels, where labels that a parser
// found stand as they are, structured metadata in parentheses, and stream
// labels only with the option streams. detected_level is left out without the
// option levels. An error is "error: " and its text. Lines that begin with #
// are comments.
//
// It may import query/logql, storage and telemetry.
package logqltest
