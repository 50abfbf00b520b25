package correlation

import "strings"

const escape = 0x1b

// uncoloured returns text without the colours of terminals, which stand between
// keys and their values: ESC[36mtrace_id ESC[0m= ESC[35m4bf9...
func uncoloured(text string) string {
	at := strings.IndexByte(text, escape)
	if at < 0 {
		return text
	}
	var out strings.Builder
	out.Grow(len(text))
	for at >= 0 {
		end := colourEnd(text, at)
		if end == at {
			end++ // another escape: it stays
			out.WriteString(text[:end])
		} else {
			out.WriteString(text[:at])
		}
		text = text[end:]
		at = strings.IndexByte(text, escape)
	}
	out.WriteString(text)
	return out.String()
}

// colourEnd returns where the colour that starts at text[at] ends, or at.
func colourEnd(text string, at int) int {
	if at+1 >= len(text) || text[at+1] != '[' {
		return at
	}
	for i := at + 2; i < len(text); i++ {
		switch c := text[i]; {
		case c == 'm':
			return i + 1
		case c != ';' && class[c]&clDigit == 0:
			return at
		}
	}
	return at
}
