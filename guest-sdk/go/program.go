package millstream

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"millstream.dev/millstream/contract"
)

// Processor is an operator that sees one record after the other.
//
// It is a pointer to a struct whose fields are configuration, scratch space and states. It keeps nothing else between
// batches that matters: one instance serves many partitions, and may be replaced by a fresh one at any time.
type Processor interface {
	// Process handles a record: reads it, uses the state of its key, emits any number of records; none drops it.
	// An error is why the record fails: what it emitted and what it changed in the state is undone. So does a panic.
	Process(ctx *Context, record Record) error
}

// TimerHandler is a [Processor] that sets timers. What OnTimer emits has the timer's key and time unless it says
// otherwise.
type TimerHandler interface {
	OnTimer(ctx *Context, timer Timer) error
}

// NoConfig is the configuration of an operator that takes none.
type NoConfig struct{}

// Option says something of an operator.
type Option func(*Program)

// Outputs names the outputs, the main one first. Without it there is one, main.
func Outputs(names ...string) Option { return func(p *Program) { p.outputs = names } }

// ConfigSchema publishes a JSON Schema of the configuration.
func ConfigSchema(schema string) Option { return func(p *Program) { p.schema = schema } }

// RawValues has the records' bytes passed although typed fields are declared.
func RawValues() Option { return func(p *Program) { p.rawValues = true } }

// Program is an operator, ready to be exported from a component or to be tested. The package operator makes them.
type Program struct {
	outputs   []string
	schema    string
	rawValues bool
	timers    bool
	reads     []field
	writes    []field
	// columnReads and columnWrites are the typed fields of an operator that sees columns.
	columnReads, columnWrites []contract.FieldDeclaration
	states                    []stateField
	// configure makes an instance.
	configure func(config string) (*instance, error)
	current   *instance
}

// stateField is a state in the struct of an operator.
type stateField struct {
	contract.StateDeclaration
	at     int
	asJSON bool
}

var handleType = reflect.TypeFor[handle]()

// newProgram describes an operator by its type, a pointer to a struct. Mistakes in it are the author's: it panics.
func newProgram[C, O any](create func(C) (O, error), run func(*instance, O), options []Option) *Program {
	program := &Program{outputs: []string{"main"}}
	for _, option := range options {
		option(program)
	}
	of := reflect.TypeFor[O]()
	if of.Kind() == reflect.Pointer && of.Elem().Kind() == reflect.Struct {
		program.states = statesOf(of.Elem())
	}
	program.configure = func(config string) (_ *instance, err error) {
		defer func() {
			if said := recover(); said != nil {
				err = panicked(said)
			}
		}()
		var into C
		if err := readConfig(config, &into); err != nil {
			return nil, fmt.Errorf("the configuration is refused: %w", err)
		}
		operator, err := create(into)
		if err != nil {
			return nil, err
		}
		made := newInstance(program, reflect.ValueOf(operator))
		run(made, operator)
		return made, nil
	}
	return program
}

// readConfig reads a configuration, strictly, so that a typo does not pass. Nothing is an empty object.
func readConfig(config string, into any) error {
	if config = strings.TrimSpace(config); config == "" || config == "null" {
		config = "{}"
	}
	decoder := json.NewDecoder(bytes.NewReader([]byte(config)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is something after its end")
	}
	return nil
}

// statesOf finds the states of an operator: fields of type Value, Map and List.
func statesOf(of reflect.Type) []stateField {
	var states []stateField
	for at := range of.NumField() {
		member := of.Field(at)
		if !reflect.PointerTo(member.Type).Implements(handleType) {
			continue
		}
		state := stateField{at: at}
		state.Kind = reflect.New(member.Type).Interface().(handle).kind()
		state.Name, state.SchemaVersion, state.Prefetch = snake(member.Name), 1, state.Kind == contract.ValueState
		name, options, _ := strings.Cut(member.Tag.Get("state"), ",")
		if name != "" {
			state.Name = name
		}
		if err := state.read(options); err != nil {
			panic(fmt.Sprintf("millstream: %s.%s: %v", of, member.Name, err))
		}
		states = append(states, state)
	}
	return states
}

// read reads the options of a tag: ttl=1h, version=2, noprefetch, json.
func (s *stateField) read(options string) error {
	for option := range strings.SplitSeq(options, ",") {
		name, value, _ := strings.Cut(option, "=")
		switch name {
		case "":
		case "ttl":
			ttl, err := duration(value)
			if err != nil || ttl <= 0 {
				return fmt.Errorf("ttl=%s is no time such as 500ms, 90s, 15m, 2h or 30d", value)
			}
			s.TTLMs = uint64(ttl.Milliseconds())
		case "version":
			version, err := strconv.ParseUint(value, 10, 32)
			if err != nil {
				return fmt.Errorf("version=%s is no version number", value)
			}
			s.SchemaVersion = uint32(version)
		case "noprefetch":
			s.Prefetch = false
		case "json":
			s.asJSON = true
		default:
			return fmt.Errorf("a state has no option %q: they are ttl, version, noprefetch and json", option)
		}
	}
	return nil
}

// duration reads what time.ParseDuration does, and days.
func duration(text string) (time.Duration, error) {
	if days, isDays := strings.CutSuffix(text, "d"); isDays {
		count, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(count) * 24 * time.Hour, err
	}
	return time.ParseDuration(text)
}

// handleAt is the state in field at of an operator; such fields need not be exported.
func handleAt(operator reflect.Value, at int) handle {
	member := operator.Elem().Field(at)
	return reflect.NewAt(member.Type(), unsafe.Pointer(member.UnsafeAddr())).Interface().(handle)
}

// typed declares the fields of R and W.
func (p *Program) typed(reads, writes reflect.Type) {
	for _, side := range []struct {
		of   reflect.Type
		into *[]field
	}{{reads, &p.reads}, {writes, &p.writes}} {
		fields, err := fieldsOf(side.of)
		if err != nil {
			panic("millstream: " + err.Error())
		}
		*side.into = fields
	}
}

// Describe is what the operator declares.
func (p *Program) Describe() contract.Description {
	description := contract.Description{
		Outputs: p.outputs, Reads: append(declarations(p.reads), p.columnReads...),
		Writes: append(declarations(p.writes), p.columnWrites...), RawValues: p.rawValues,
		Timers: p.timers, ConfigSchema: p.schema,
	}
	for _, state := range p.states {
		description.States = append(description.States, state.StateDeclaration)
	}
	return description
}

// Configure makes the instance that the calls to come go to.
func (p *Program) Configure(config string) error {
	made, err := p.configure(config)
	if err != nil {
		return err
	}
	p.current = made
	return nil
}

var errNotConfigured = errors.New("`configure` has not been called")

// Process processes a batch. What it returns is good until the next call.
func (p *Program) Process(input *contract.BatchInput) (contract.BatchOutput, error) {
	if p.current == nil {
		return contract.BatchOutput{}, errNotConfigured
	}
	return p.current.run(input, nil)
}

// OnTimer handles timers that fired. What it returns is good until the next call.
func (p *Program) OnTimer(fired *contract.FiredTimers) (contract.BatchOutput, error) {
	if p.current == nil {
		return contract.BatchOutput{}, errNotConfigured
	}
	return p.current.fire(fired)
}
