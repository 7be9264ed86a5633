// Stress lets Go's collector work while batches come and go: whatever lies where the collector would touch it is
// found out by wrong results or a trap. See run, beside it.
package main

import (
	"fmt"
	"strings"
	"sync"

	"millstream.dev/millstream"
	"millstream.dev/millstream/operator"
)

// Event is what is read.
type Event struct {
	User string `json:"user"`
	N    int    `json:"n"`
}

// Stress counts the events of each user, and keeps a heap that grows and goes.
type Stress struct {
	count millstream.Value[int64]       `state:"count"`
	tens  millstream.Map[string, int64] `state:"tens"`
	live  *garbage
	size  int
}

type garbage struct {
	next *garbage
	text string
}

// New makes the operator.
func New(millstream.NoConfig) (*Stress, error) { return &Stress{}, nil }

// Process counts an event, allocating without need.
func (s *Stress) Process(ctx *millstream.Context, record millstream.Record) error {
	var event Event
	if err := record.JSON(&event); err != nil {
		return err
	}
	s.live = &garbage{s.live, strings.Repeat(event.User, 10)}
	if s.size++; s.size > 20_000 {
		s.live, s.size = nil, 0
	}
	count, err := s.count.Or(0)
	if err != nil {
		return err
	}
	if err := s.count.Set(count + 1); err != nil {
		return err
	}
	if event.N%10 == 0 {
		tens, _, err := s.tens.Get("all")
		if err != nil {
			return err
		}
		if err := s.tens.Set("all", tens+1); err != nil {
			return err
		}
		// The scheduler has its part in what may go wrong, too.
		var group sync.WaitGroup
		for range 2 {
			group.Add(1)
			go group.Done()
		}
		group.Wait()
	}
	if event.N%1000 == 7 {
		return fmt.Errorf("record %d is to fail", event.N)
	}
	return ctx.Emit(millstream.JSON(map[string]any{"user": event.User, "count": count + 1, "n": event.N}))
}

// Program is the operator as the component exports it.
var Program = operator.Export(New)

func main() {}
