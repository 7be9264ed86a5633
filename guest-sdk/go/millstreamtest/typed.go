//go:build !wasm

package millstreamtest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"millstream.dev/millstream"
	"millstream.dev/millstream/contract"
)

// readTyped does what the host does for declared fields: it reads them from the records' JSON. What a record lacks
// fails it before the operator sees it.
func readTyped(records []Record, fields []contract.FieldDeclaration) (columns []contract.TypedColumn, failed map[int]string) {
	failed = map[int]string{}
	rows := make([][]any, len(records))
	for row, record := range records {
		for _, field := range fields {
			value, err := readField(record.Value, field)
			if err != nil {
				failed[row] = err.Error()
				break
			}
			rows[row] = append(rows[row], value)
		}
	}
	for at, field := range fields {
		column := contract.TypedColumn{Name: field.Path, Kind: field.Kind}
		var texts [][]byte
		var present []bool
		count, hasNull := 0, false
		for row := range records {
			if _, fails := failed[row]; fails {
				continue
			}
			value := rows[row][at]
			present, hasNull = append(present, value != nil), hasNull || value == nil
			switch field.Kind {
			case contract.Int64:
				number, _ := value.(int64)
				column.Data = binary.LittleEndian.AppendUint64(column.Data, uint64(number))
			case contract.Float64:
				number, _ := value.(float64)
				column.Data = binary.LittleEndian.AppendUint64(column.Data, math.Float64bits(number))
			case contract.Boolean:
				bit, _ := value.(bool)
				column.Data = pushBit(column.Data, count, bit)
			default:
				text, _ := value.([]byte)
				texts = append(texts, append([]byte{}, text...))
			}
			count++
		}
		if field.Kind == contract.UTF8 || field.Kind == contract.Bytes {
			made := columnOf(texts...)
			column.Offsets, column.Data = made.Offsets, made.Data
		}
		if hasNull {
			for row, there := range present {
				column.Validity = pushBit(column.Validity, row, there)
			}
		}
		columns = append(columns, column)
	}
	return columns, failed
}

func pushBit(bits []byte, row int, bit bool) []byte {
	if row%8 == 0 {
		bits = append(bits, 0)
	}
	if bit {
		bits[row/8] |= 1 << (row % 8)
	}
	return bits
}

// readField reads one field of a JSON value; nil: it is not there, and need not be.
func readField(value []byte, field contract.FieldDeclaration) (any, error) {
	here := json.RawMessage(value)
	for _, name := range strings.Split(field.Path, "/")[1:] {
		var members map[string]json.RawMessage
		if err := json.Unmarshal(here, &members); err != nil && value == nil {
			break
		}
		here = members[name]
	}
	if here == nil || string(here) == "null" {
		if field.Optional {
			return nil, nil
		}
		return nil, fmt.Errorf("%s: the field is missing", field.Path)
	}
	wrong := func() error { return fmt.Errorf("%s: `%s` is no %s", field.Path, here, field.Kind) }
	switch field.Kind {
	case contract.Int64:
		number, err := strconv.ParseInt(string(here), 10, 64)
		if err != nil {
			return nil, wrong()
		}
		return number, nil
	case contract.Float64:
		var number float64
		if json.Unmarshal(here, &number) != nil {
			return nil, wrong()
		}
		return number, nil
	case contract.Boolean:
		var bit bool
		if json.Unmarshal(here, &bit) != nil {
			return nil, wrong()
		}
		return bit, nil
	case contract.UTF8:
		var text string
		if json.Unmarshal(here, &text) != nil {
			return nil, wrong()
		}
		return []byte(text), nil
	}
	return []byte(here), nil
}

// writeTyped does what the host does with the typed columns of an output: it makes JSON values of them.
func writeTyped(batch *contract.RecordBatch, fields []contract.FieldDeclaration) ([][]byte, error) {
	if len(batch.Columns) != len(fields) {
		return nil, fmt.Errorf("there are %d typed columns, and %d fields are declared", len(batch.Columns), len(fields))
	}
	for at := range batch.Columns {
		if bits := len(batch.Columns[at].Validity); bits != 0 && bits != (int(batch.Count)+7)/8 {
			return nil, fmt.Errorf("%s has %d records, and a bitmap of %d bytes", batch.Columns[at].Name, batch.Count, bits)
		}
	}
	var values [][]byte
	for row := range int(batch.Count) {
		root := &object{}
		for at, field := range fields {
			column := &batch.Columns[at]
			if column.Kind != field.Kind {
				return nil, fmt.Errorf("%s is written as %s", field.Path, column.Kind)
			}
			if len(column.Validity) > 0 && column.Validity[row/8]>>(row%8)&1 == 0 {
				if !field.Optional {
					return nil, fmt.Errorf("%s is null, and not optional", field.Path)
				}
				continue
			}
			text, err := writeField(column, row)
			if err != nil {
				return nil, err
			}
			root.put(strings.Split(field.Path, "/")[1:], text)
		}
		values = append(values, root.append(nil))
	}
	return values, nil
}

func writeField(column *contract.TypedColumn, row int) ([]byte, error) {
	switch column.Kind {
	case contract.Int64:
		return strconv.AppendInt(nil, i64(column.Data, row), 10), nil
	case contract.Float64:
		return millstream.AppendFloat(nil, math.Float64frombits(uint64(i64(column.Data, row)))), nil
	case contract.Boolean:
		return strconv.AppendBool(nil, column.Data[row/8]>>(row%8)&1 == 1), nil
	}
	text := column.Data[u32(column.Offsets, row):u32(column.Offsets, row+1)]
	if column.Kind == contract.UTF8 {
		if !utf8.Valid(text) {
			return nil, fmt.Errorf("%s has a text that is not UTF-8", column.Name)
		}
		return millstream.AppendText(nil, string(text)), nil
	}
	if !json.Valid(text) {
		return nil, fmt.Errorf("%s has a value that is no JSON: %s", column.Name, text)
	}
	return bytes.Clone(text), nil
}

// object is a JSON object whose members are in order of declaration.
type object struct {
	names   []string
	members []*object
	text    []byte
}

func (o *object) put(path []string, text []byte) {
	if len(path) == 0 {
		o.text = text
		return
	}
	for at, name := range o.names {
		if name == path[0] {
			o.members[at].put(path[1:], text)
			return
		}
	}
	member := &object{}
	o.names, o.members = append(o.names, path[0]), append(o.members, member)
	member.put(path[1:], text)
}

func (o *object) append(buffer []byte) []byte {
	if o.text != nil {
		return append(buffer, o.text...)
	}
	buffer = append(buffer, '{')
	for at, name := range o.names {
		if at > 0 {
			buffer = append(buffer, ',')
		}
		buffer = append(millstream.AppendText(buffer, name), ':')
		buffer = o.members[at].append(buffer)
	}
	return append(buffer, '}')
}
