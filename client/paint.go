package client

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
)

// palette gives services their colours, in the order in which they come in.
// They are of the 256-colour set, readable on light and dark, and none is the
// red of errors.
var palette = []string{"39", "208", "141", "71", "170", "178", "37", "99", "136", "67", "107", "133"}

var (
	errorStyle = lipgloss.NewStyle().Foreground(lipgloss.Color("196")).Bold(true)
	warnStyle  = lipgloss.NewStyle().Foreground(lipgloss.Color("214"))
	faintStyle = lipgloss.NewStyle().Faint(true)
	boldStyle  = lipgloss.NewStyle().Bold(true)
)

// paint renders one line; an empty one stays empty.
func paint(style lipgloss.Style, s string) string {
	if s == "" {
		return ""
	}
	return style.Render(s)
}

func faint(s string) string { return paint(faintStyle, s) }
func bold(s string) string  { return paint(boldStyle, s) }

// colours hands out one colour per name.
type colours map[string]lipgloss.Style

func (c colours) of(name string) lipgloss.Style {
	s, ok := c[name]
	if !ok {
		s = lipgloss.NewStyle().Foreground(lipgloss.Color(palette[len(c)%len(palette)]))
		c[name] = s
	}
	return s
}

// severityStyle returns how text of a severity looks.
func severityStyle(severity string) lipgloss.Style {
	switch strings.ToLower(severity) {
	case "error", "fatal", "err", "critical":
		return errorStyle
	case "warn", "warning":
		return warnStyle
	case "debug", "trace":
		return faintStyle
	}
	return lipgloss.NewStyle()
}

// clean makes text of unknown origin safe to show on one line: line ends are
// shown as a sign, and what could steer the terminal as its code.
func clean(s string) string {
	if !strings.ContainsFunc(s, unsafeRune) {
		return s
	}
	var b strings.Builder
	for _, r := range strings.TrimRight(s, "\r\n") {
		switch {
		case r == '\n':
			b.WriteString("⏎ ")
		case r == '\t':
			b.WriteByte(' ')
		case r == '\r':
		case unsafeRune(r):
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// unsafeRune knows control codes, and the format codes that turn text around
// (U+202E and its like).
func unsafeRune(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == unicode.ReplacementChar
}

func cellWidth(s string) int { return ansi.StringWidth(s) }

// fit cuts or pads s to exactly width cells.
func fit(s string, width int) string {
	if width <= 0 {
		return ""
	}
	if w := ansi.StringWidth(s); w <= width {
		return s + strings.Repeat(" ", width-w)
	}
	s = ansi.Truncate(s, width, "…")
	return s + strings.Repeat(" ", max(width-ansi.StringWidth(s), 0))
}

// short renders a duration in three digits: 812µs, 12.3ms, 4.56s, 3m20s.
func short(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + short(-d)
	case d == 0:
		return "0"
	case d < time.Microsecond:
		return fmt.Sprintf("%dns", d)
	case d < time.Millisecond:
		return digits(float64(d)/float64(time.Microsecond)) + "µs"
	case d < time.Second:
		return digits(float64(d)/float64(time.Millisecond)) + "ms"
	case d < time.Minute:
		return digits(d.Seconds()) + "s"
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
}

func digits(f float64) string {
	switch {
	case f >= 100:
		return fmt.Sprintf("%.0f", f)
	case f >= 10:
		return trimZeroes(fmt.Sprintf("%.1f", f))
	}
	return trimZeroes(fmt.Sprintf("%.2f", f))
}

func trimZeroes(s string) string { return strings.TrimRight(strings.TrimRight(s, "0"), ".") }

func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	if strings.HasSuffix(one, "y") {
		return fmt.Sprintf("%d %sies", n, one[:len(one)-1])
	}
	return fmt.Sprintf("%d %ss", n, one)
}
