package syntax

// metricsFuncs lists the first stage functions, and whether each takes an
// attribute.
var metricsFuncs = map[string]bool{
	"rate": false, "count_over_time": false, "min_over_time": true, "max_over_time": true,
	"avg_over_time": true, "sum_over_time": true, "quantile_over_time": true,
	"histogram_over_time": true, "compare": false,
}

func isMetricsFunc(word string) bool {
	_, ok := metricsFuncs[word]
	return ok
}

// metricsFunc reads a first stage function and its by clause.
func (p *parser) metricsFunc() (*MetricsFunc, error) {
	t := p.take()
	name := t.text
	f := &MetricsFunc{Name: name, HasAttr: metricsFuncs[name], at: t.pos}
	err := p.call(name, func() (err error) {
		switch {
		case name == "compare":
			return p.compareArgs(f)
		case !f.HasAttr:
			return nil
		}
		if f.Attr, err = p.attribute(); err != nil || name != "quantile_over_time" {
			return err
		}
		return p.quantiles(f)
	})
	if err != nil || name == "compare" || !p.is("by") {
		return f, err
	}
	p.take()
	err = p.call("by", func() (err error) {
		f.By, err = p.attributeList()
		return err
	})
	return f, err
}

func (p *parser) quantiles(f *MetricsFunc) error {
	if err := p.expect(",", "before the quantiles"); err != nil {
		return err
	}
	for {
		t := p.take()
		if t.kind != tokInt && t.kind != tokFloat {
			return errorAt(t.pos, "unexpected %s, expected a quantile between 0 and 1", t.describe())
		}
		if t.num < 0 || t.num > 1 {
			return errorAt(t.pos, "quantile %s is out of range, expected 0 to 1", t.text)
		}
		f.Quantiles = append(f.Quantiles, t.num)
		if !p.accept(",") {
			return nil
		}
	}
}

const (
	defaultCompareTop = 10
	maxCompareTop     = 1000
)

// compareArgs reads compare({selection}, topN, start, end).
func (p *parser) compareArgs(f *MetricsFunc) error {
	if t := p.peek(); !p.is("{") {
		return errorAt(t.pos, "unexpected %s, expected a span filter { ... } as compare()'s selection", t.describe())
	}
	var err error
	if f.Compare, err = p.filter(); err != nil {
		return err
	}
	at := p.peek().pos
	var args []int64
	for p.accept(",") {
		t := p.take()
		if t.kind != tokInt {
			return errorAt(t.pos, "unexpected %s, expected an integer", t.describe())
		}
		args = append(args, t.i)
	}
	f.TopN = defaultCompareTop
	switch len(args) {
	case 0:
		return nil
	case 1, 3:
		if args[0] <= 0 || args[0] > maxCompareTop {
			return errorAt(at, "compare()'s number of values is %d, expected 1 to %d", args[0], maxCompareTop)
		}
		f.TopN = int(args[0])
	default:
		return errorAt(at, "compare() takes a filter, then a number of values, then a start and an end in Unix nanoseconds")
	}
	if len(args) == 3 {
		f.Start, f.End = args[1], args[2]
		if f.Start != 0 || f.End != 0 {
			if f.Start <= 0 || f.End <= f.Start {
				return errorAt(at, "compare()'s start and end must be positive Unix nanoseconds, start before end")
			}
		}
	}
	return nil
}

// secondStages reads what follows a metrics query: | topk(n), | bottomk(n),
// and comparisons with a number.
func (p *parser) secondStages(x MetricsExpr) (MetricsExpr, error) {
	s := &MetricsStages{X: x}
	for {
		t := p.peek()
		switch {
		case t.kind == tokOp && Op(t.text).Ordered():
			p.take()
			st, err := p.sampleFilter(Op(t.text))
			if err != nil {
				return nil, err
			}
			s.Stages = append(s.Stages, st)
		case p.is("|"):
			p.take()
			st, err := p.topK()
			if err != nil {
				return nil, err
			}
			s.Stages = append(s.Stages, st)
		default:
			if len(s.Stages) == 0 {
				return x, nil
			}
			return s, nil
		}
	}
}

// sampleFilter reads the number that samples are compared with.
func (p *parser) sampleFilter(op Op) (SecondStage, error) {
	at := p.peek()
	n, err := p.operation(precSum)
	if err != nil {
		return SecondStage{}, err
	}
	lit, ok := n.(Literal)
	if !ok {
		return SecondStage{}, errorAt(at.pos, "samples can be compared with a number only")
	}
	v := lit.Value.AsFloat()
	if lit.Value.Type == TypeDuration {
		v /= 1e9
	}
	return SecondStage{Op: op, Value: v}, nil
}

func (p *parser) topK() (SecondStage, error) {
	t := p.take()
	if t.kind != tokWord || t.text != "topk" && t.text != "bottomk" {
		return SecondStage{}, errorAt(t.pos, "unexpected %s after a metrics query, expected topk(n) or bottomk(n)", t.describe())
	}
	s := SecondStage{Func: t.text}
	err := p.call(t.text, func() error {
		n := p.take()
		if n.kind != tokInt || n.i <= 0 {
			return errorAt(n.pos, "unexpected %s, expected %s()'s number of series, greater than 0", n.describe(), t.text)
		}
		s.K = int(n.i)
		return nil
	})
	return s, err
}
