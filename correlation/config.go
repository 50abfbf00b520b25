package correlation

import (
	"errors"
	"fmt"
	"regexp"
)

// Config adds to what counts as an ID. Agent, server and query of one
// installation must agree on it.
type Config struct {
	// Vocabulary names further attributes, headers and keys in texts that carry
	// an ID, by the kind of the ID: request_id: [ticket_no, x-shop-request]. Kinds
	// may be new ones. What is stored already is found by them only where its
	// values look like IDs, too.
	Vocabulary map[Kind][]string `yaml:"vocabulary"`
}

// DefaultConfig adds nothing.
func DefaultConfig() Config { return Config{} }

var kindForm = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)

// Validate says what is wrong with c.
func (c Config) Validate() error {
	_, err := newLexicon(c)
	return err
}

// Apply makes c, which must be valid, what this process goes by. It is meant
// to be called once, before the first record.
func (c Config) Apply() error {
	l, err := newLexicon(c)
	if err != nil {
		return err
	}
	lex.Store(l)
	return nil
}

// minWord is the shortest key that may be added: "id" alone would take
// everything.
const minWord = 3

// newLexicon returns the vocabulary with c's words.
func newLexicon(c Config) (*lexicon, error) {
	l := &lexicon{kinds: make(map[string]Kind, len(vocabulary))}
	for word, kind := range vocabulary {
		l.put(word, kind)
	}
	var errs []error
	for kind, names := range c.Vocabulary {
		if !kindForm.MatchString(string(kind)) {
			errs = append(errs, fmt.Errorf("vocabulary: %q is no name of a kind: want lower-case letters, digits and underscores, such as request_id", kind))
		}
		for _, name := range names {
			var w words
			if len(name) > maxKey {
				errs = append(errs, fmt.Errorf("vocabulary: %q is longer than %d bytes", name, maxKey))
				continue
			}
			w.add(name)
			if w.len < minWord {
				errs = append(errs, fmt.Errorf("vocabulary: %q is too short: want %d letters or digits and more", name, minWord))
				continue
			}
			l.put(string(w.text[:w.len]), kind)
		}
	}
	return l, errors.Join(errs...)
}

// lexicon is a vocabulary that can be asked fast.
type lexicon struct {
	kinds map[string]Kind
	// ends has a bit for the last two bytes of every word: of the one before
	// the last in the entry of the last.
	ends [256]uint32
}

func (l *lexicon) put(word string, kind Kind) {
	l.kinds[word] = kind
	l.ends[word[len(word)-1]] |= endBit(word[len(word)-2])
}

func endBit(c byte) uint32 { return 1 << (c & 31) }

// mayEnd reports whether a word may end with the last two bytes of key, which
// has two. It rules out nearly all keys at once.
func (l *lexicon) mayEnd(key string) bool {
	last := key[len(key)-1]
	if class[last]&clUpper != 0 {
		last |= 0x20
	}
	return l.ends[last]&endBit(key[len(key)-2]) != 0
}
