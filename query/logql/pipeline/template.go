package pipeline

import (
	"errors"
	"fmt"
	"strings"
	"text/template"
	"text/template/parse"
	"time"

	"github.com/clewhq/clew/query/logql/syntax"
)

// errTemplate marks a record for which a template failed.
const errTemplate = "TemplateFormatErr"

// maxSteps bounds how many rounds all loops of one template make for one
// record, so that no template can keep a query busy.
const maxSteps = 10_000

var (
	errTemplateSize  = errors.New("the template makes too much text of one record")
	errTemplateSteps = fmt.Errorf("the template loops more than %d times for one record", maxSteps)
	errTemplateRange = errors.New("range goes over lists and maps only")
)

// format is a compiled template and the record it works on.
type format struct {
	tmpl  *template.Template
	out   limitedText
	line  string
	time  int64
	steps int
	all   []Label
	data  map[string]string
}

// newFormat compiles a template. Templates cannot define or call others.
func newFormat(text string, lim Limits) (*format, error) {
	f := &format{data: map[string]string{}}
	f.out.most = lim.TemplateBytes
	funcs := functions(lim.TemplateBytes)
	funcs["__line__"] = func() string { return f.line }
	funcs["__timestamp__"] = func() time.Time { return time.Unix(0, f.time).UTC() }
	funcs[stepFunc] = f.step
	funcs[rangeFunc] = rangeable
	t, err := template.New("").Option("missingkey=zero").Funcs(funcs).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("parse the template %s: %s", text, strings.TrimPrefix(err.Error(), "template: "))
	}
	if len(t.Templates()) > 1 {
		return nil, fmt.Errorf("parse the template %s: define and block are not allowed", text)
	}
	if t.Tree != nil && t.Root != nil {
		if err := guardList(t.Root, t.Tree); err != nil {
			return nil, fmt.Errorf("parse the template %s: %w", text, err)
		}
	}
	f.tmpl = t
	return f, nil
}

// run executes the template for a record.
func (f *format) run(r *Record) (string, error) {
	f.load(r)
	return f.runOver(r, f.data)
}

// load takes over the labels of a record.
func (f *format) load(r *Record) {
	clear(f.data)
	f.all = r.Labels.Append(f.all[:0])
	for _, l := range f.all {
		f.data[l.Name] = l.Value
	}
}

// runOver executes the template for a record over labels as they once were.
func (f *format) runOver(r *Record, data map[string]string) (string, error) {
	f.out.b.Reset()
	f.line, f.time, f.steps = r.Line, r.Time, 0
	if err := f.tmpl.Execute(&f.out, data); err != nil {
		return "", err
	}
	return f.out.b.String(), nil
}

// The functions that the guard plants in a template.
const (
	stepFunc  = "clew_step"
	rangeFunc = "clew_range"
)

// step counts a round of a loop.
func (f *format) step() (string, error) {
	f.steps++
	if f.steps > maxSteps {
		return "", errTemplateSteps
	}
	return "", nil
}

// rangeable refuses to loop over numbers and functions.
func rangeable(v any) (any, error) {
	switch v.(type) {
	case nil, []any, map[string]any, map[string]string:
		return v, nil
	}
	return nil, errTemplateRange
}

// guardList plants the guards in every loop under a list of nodes.
func guardList(list *parse.ListNode, tree *parse.Tree) error {
	if list == nil {
		return nil
	}
	for _, n := range list.Nodes {
		var err error
		switch n := n.(type) {
		case *parse.TemplateNode:
			return errors.New("template is not allowed")
		case *parse.IfNode:
			err = errors.Join(guardList(n.List, tree), guardList(n.ElseList, tree))
		case *parse.WithNode:
			err = errors.Join(guardList(n.List, tree), guardList(n.ElseList, tree))
		case *parse.RangeNode:
			err = errors.Join(guardList(n.List, tree), guardList(n.ElseList, tree))
			n.Pipe.Cmds = append(n.Pipe.Cmds, callNode(rangeFunc, n.Pos, tree))
			count := &parse.ActionNode{NodeType: parse.NodeAction, Pos: n.Pos, Line: n.Line, Pipe: &parse.PipeNode{
				NodeType: parse.NodePipe, Pos: n.Pos, Line: n.Line, Cmds: []*parse.CommandNode{callNode(stepFunc, n.Pos, tree)}}}
			n.List.Nodes = append([]parse.Node{count}, n.List.Nodes...)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func callNode(name string, pos parse.Pos, tree *parse.Tree) *parse.CommandNode {
	return &parse.CommandNode{NodeType: parse.NodeCommand, Pos: pos,
		Args: []parse.Node{parse.NewIdentifier(name).SetPos(pos).SetTree(tree)}}
}

// limitedText collects text up to a limit.
type limitedText struct {
	b    strings.Builder
	most int
}

// Write implements io.Writer.
func (t *limitedText) Write(p []byte) (int, error) {
	if t.b.Len()+len(p) > t.most {
		return 0, errTemplateSize
	}
	return t.b.Write(p)
}

// lineFormat replaces the line.
type lineFormat struct{ f *format }

func newLineFormat(s *syntax.LineFormat, lim Limits) (stage, error) {
	f, err := newFormat(s.Template, lim)
	return lineFormat{f}, err
}

func (s lineFormat) process(r *Record) bool {
	line, err := s.f.run(r)
	if err != nil {
		r.Labels.SetError(errTemplate, err.Error())
		return true
	}
	r.Line = line
	return true
}

// labelFormat sets and renames labels, in order.
type labelFormat struct{ ops []labelOp }

type labelOp struct {
	dst, src string
	f        *format // nil for a rename
}

func newLabelFormat(s *syntax.LabelFormat, lim Limits) (stage, error) {
	out := &labelFormat{}
	for _, op := range s.Ops {
		if op.Rename {
			out.ops = append(out.ops, labelOp{dst: op.Dst, src: op.Value})
			continue
		}
		f, err := newFormat(op.Value, lim)
		if err != nil {
			return nil, err
		}
		out.ops = append(out.ops, labelOp{dst: op.Dst, f: f})
	}
	return out, nil
}

// process lets all templates see the labels as the first one does.
func (s *labelFormat) process(r *Record) bool {
	var data map[string]string
	for _, op := range s.ops {
		if op.f == nil {
			if l, ok := r.Labels.Lookup(op.src); ok && op.src != ErrorLabel && op.src != ErrorDetailsLabel {
				r.Labels.Set(FromParser, op.dst, l.Value)
				r.Labels.Delete(op.src) // also where it is renamed to itself, as in Loki
			}
			continue
		}
		if data == nil {
			op.f.load(r)
			data = op.f.data
		}
		value, err := op.f.runOver(r, data)
		if err != nil {
			r.Labels.SetError(errTemplate, err.Error())
			continue
		}
		r.Labels.Set(FromParser, op.dst, value)
	}
	return true
}
