// Sums is the aggregator of tests/conformance/README.md.
package main

import (
	"fmt"
	"strconv"

	"millstream.dev/millstream"
	"millstream.dev/millstream/aggregator"
	"millstream.dev/millstream/window"
)

// Sums adds up decimal integers.
type Sums struct{}

func number(record millstream.Record) (int64, error) {
	text, err := record.Text()
	if err != nil {
		return 0, err
	}
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("not an integer: `%s`", text)
	}
	return number, nil
}

// Add adds a record.
func (Sums) Add(sum *int64, record millstream.Record) error {
	number, err := number(record)
	*sum += number
	return err
}

// Retract takes a record out.
func (Sums) Retract(sum *int64, record millstream.Record) error {
	number, err := number(record)
	*sum -= number
	return err
}

// Merge adds another sum.
func (Sums) Merge(into, other *int64) error {
	*into += *other
	return nil
}

// Result is the sum in decimal.
func (Sums) Result(sum *int64, _ window.Pane) (millstream.Output, error) {
	return millstream.Text(strconv.FormatInt(*sum, 10)), nil
}

// Program is the aggregator as the component exports it.
var Program = aggregator.Export(func(millstream.NoConfig) (Sums, error) { return Sums{}, nil })

func main() {}
