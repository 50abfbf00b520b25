package document

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bodies are indexed by words: the longest runs of letters, in lower case, as
// Elasticsearch's analyzer "simple" makes them. Where a word begins and ends
// depends on nothing but the characters beside it, so the words that must
// stand in a text can be told from a part of it. Numbers and IDs make no
// words, which keeps the dictionary small; IDs have a field of their own.

// maxWord is where the analyzer cuts a word in two.
const maxWord = 255

// hasLongWord reports whether the analyzer might cut a word of text.
func hasLongWord(text string) bool {
	if len(text) <= maxWord {
		return false
	}
	run := 0
	for _, r := range text {
		if !unicode.IsLetter(r) && r < utf8.RuneSelf {
			run = 0
			continue
		}
		// Beyond ASCII, what counts as a letter may differ between versions of
		// Unicode; all of it counts here.
		if run++; run >= maxWord {
			return true
		}
	}
	return false
}

// Word is a word that a text holds, or a part of one.
type Word struct {
	Text         string // lower case, ASCII letters only
	Begins, Ends bool   // the word begins and ends where Text does
}

// Words returns what the words of every text are that has the literal in it.
// Parts of words that Elasticsearch might see otherwise are left out.
func Words(literal string) []Word {
	var out []Word
	letter := func(i int) bool {
		c := literal[i] | 0x20
		return c >= 'a' && c <= 'z'
	}
	for i := 0; i < len(literal); {
		if !letter(i) {
			i++
			continue
		}
		start := i
		for i < len(literal) && letter(i) {
			i++
		}
		// Beside a character beyond ASCII a word may go on.
		before := start > 0 && literal[start-1] < utf8.RuneSelf
		after := i < len(literal) && literal[i] < utf8.RuneSelf
		if i-start < maxWord {
			out = append(out, Word{strings.ToLower(literal[start:i]), before, after})
		}
	}
	return out
}
