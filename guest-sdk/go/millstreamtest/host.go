//go:build !wasm

package millstreamtest

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sort"
	"strings"

	"millstream.dev/millstream/contract"
	"millstream.dev/millstream/internal/host"
)

// simulated is a host for native tests: state in a map, time and randomness as the test sets them.
type simulated struct {
	nowMs      int64
	seed       uint64
	level      host.Level
	lines      []string
	counters   map[string]uint64
	gauges     map[string]float64
	histograms map[string][]float64
	calls      int
	states     []contract.StateDeclaration
	entries    map[address]stored
}

// address is where something is stored: a state by name, a key and, for a map, a field; for a list, an index.
type address struct{ state, key, field string }

type stored struct {
	value     []byte
	expiresMs int64
}

func newSimulated(states []contract.StateDeclaration) *simulated {
	return &simulated{
		counters: map[string]uint64{}, gauges: map[string]float64{}, histograms: map[string][]float64{},
		states: states, entries: map[address]stored{},
	}
}

func (s *simulated) NowMs() int64 { return s.nowMs }

// RandomU64 is SplitMix64: every seed gives another sequence.
func (s *simulated) RandomU64() uint64 {
	s.seed += 0x9e3779b97f4a7c15
	number := s.seed
	number = (number ^ number>>30) * 0xbf58476d1ce4e5b9
	number = (number ^ number>>27) * 0x94d049bb133111eb
	return number ^ number>>31
}

func (s *simulated) Log(level host.Level, message string) {
	s.lines = append(s.lines, levels[level]+": "+message)
}

var levels = [...]string{"trace", "debug", "info", "warn", "error"}

func (s *simulated) LogEnabled(level host.Level) bool { return level >= s.level }

func (s *simulated) CounterAdd(name string, delta uint64) { s.counters[name] += delta }

func (s *simulated) GaugeSet(name string, value float64) { s.gauges[name] = value }

func (s *simulated) HistogramRecord(name string, value float64) {
	s.histograms[name] = append(s.histograms[name], value)
}

// enter counts a call and refuses it where the state is of another kind.
func (s *simulated) enter(state uint32, kind contract.StateKind) (*contract.StateDeclaration, error) {
	s.calls++
	if int(state) >= len(s.states) {
		return nil, host.Refused(fmt.Sprintf("no state %d is declared", state))
	}
	declared := &s.states[state]
	if declared.Kind != kind {
		return nil, host.Refused(fmt.Sprintf("`%s` is of another kind", declared.Name))
	}
	return declared, nil
}

func (s *simulated) live(state, key, field string) []byte {
	found, ok := s.entries[address{state, key, field}]
	if !ok || found.expiresMs != 0 && found.expiresMs <= s.nowMs {
		return nil
	}
	return found.value
}

func (s *simulated) write(declared *contract.StateDeclaration, key, field string, value []byte) {
	at := address{declared.Name, key, field}
	if value == nil {
		delete(s.entries, at)
		return
	}
	entry := stored{value: slices.Clone(value)}
	if entry.value == nil {
		entry.value = []byte{}
	}
	if declared.TTLMs > 0 {
		entry.expiresMs = s.nowMs + int64(declared.TTLMs)
	}
	s.entries[at] = entry
}

func (s *simulated) read(declared *contract.StateDeclaration, keys *contract.BytesColumn) contract.BytesColumn {
	var values [][]byte
	for _, key := range rowsOf(keys) {
		values = append(values, s.live(declared.Name, string(key), ""))
	}
	return columnOf(values...)
}

func (s *simulated) GetMany(state uint32, keys *contract.BytesColumn) (contract.BytesColumn, error) {
	declared, err := s.enter(state, contract.ValueState)
	if err != nil {
		return contract.BytesColumn{}, err
	}
	return s.read(declared, keys), nil
}

func (s *simulated) PutMany(state uint32, keys, values *contract.BytesColumn) error {
	declared, err := s.enter(state, contract.ValueState)
	if err != nil {
		return err
	}
	stored := rowsOf(values)
	for row, key := range rowsOf(keys) {
		s.write(declared, string(key), "", stored[row])
	}
	return nil
}

func (s *simulated) MapGetMany(state uint32, keys, fields *contract.BytesColumn) (contract.BytesColumn, error) {
	declared, err := s.enter(state, contract.MapState)
	if err != nil {
		return contract.BytesColumn{}, err
	}
	var values [][]byte
	names := rowsOf(fields)
	for row, key := range rowsOf(keys) {
		values = append(values, s.live(declared.Name, string(key), string(names[row])))
	}
	return columnOf(values...), nil
}

func (s *simulated) MapPutMany(state uint32, keys, fields, values *contract.BytesColumn) error {
	declared, err := s.enter(state, contract.MapState)
	if err != nil {
		return err
	}
	names, stored := rowsOf(fields), rowsOf(values)
	for row, key := range rowsOf(keys) {
		s.write(declared, string(key), string(names[row]), stored[row])
	}
	return nil
}

// under are the live fields of a key, in order.
func (s *simulated) under(state, key string) []string {
	var fields []string
	for at := range s.entries {
		if at.state == state && at.key == key && s.live(state, key, at.field) != nil {
			fields = append(fields, at.field)
		}
	}
	sort.Strings(fields)
	return fields
}

func (s *simulated) MapScan(state uint32, key, start, end []byte, limit uint32) (contract.MapPage, error) {
	declared, err := s.enter(state, contract.MapState)
	if err != nil {
		return contract.MapPage{}, err
	}
	var fields, values [][]byte
	more := false
	for _, field := range s.under(declared.Name, string(key)) {
		if field < string(start) || end != nil && field >= string(end) {
			continue
		}
		if len(fields) == int(limit) {
			more = true
			break
		}
		fields = append(fields, []byte(field))
		values = append(values, s.live(declared.Name, string(key), field))
	}
	return contract.MapPage{Fields: columnOf(fields...), Values: columnOf(values...), More: more}, nil
}

func (s *simulated) MapClearMany(state uint32, keys *contract.BytesColumn) error {
	return s.clear(state, contract.MapState, keys)
}

func (s *simulated) clear(state uint32, kind contract.StateKind, keys *contract.BytesColumn) error {
	declared, err := s.enter(state, kind)
	if err != nil {
		return err
	}
	for _, key := range rowsOf(keys) {
		for _, field := range s.under(declared.Name, string(key)) {
			s.write(declared, string(key), field, nil)
		}
	}
	return nil
}

func index(at uint64) string { return string(binary.BigEndian.AppendUint64(nil, at)) }

func (s *simulated) ListAppendMany(state uint32, keys, values *contract.BytesColumn) error {
	declared, err := s.enter(state, contract.ListState)
	if err != nil {
		return err
	}
	stored := rowsOf(values)
	for row, key := range rowsOf(keys) {
		next := len(s.under(declared.Name, string(key)))
		s.write(declared, string(key), index(uint64(next)), stored[row])
	}
	return nil
}

func (s *simulated) ListRead(state uint32, key []byte, start uint64, limit uint32) (contract.BytesColumn, error) {
	declared, err := s.enter(state, contract.ListState)
	if err != nil {
		return contract.BytesColumn{}, err
	}
	var elements [][]byte
	for _, at := range s.under(declared.Name, string(key)) {
		if strings.Compare(at, index(start)) >= 0 && len(elements) < int(limit) {
			elements = append(elements, s.live(declared.Name, string(key), at))
		}
	}
	return columnOf(elements...), nil
}

func (s *simulated) ListLength(state uint32, key []byte) (uint64, error) {
	declared, err := s.enter(state, contract.ListState)
	if err != nil {
		return 0, err
	}
	return uint64(len(s.under(declared.Name, string(key)))), nil
}

func (s *simulated) ListClearMany(state uint32, keys *contract.BytesColumn) error {
	return s.clear(state, contract.ListState, keys)
}
