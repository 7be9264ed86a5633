package millstream

import (
	"fmt"
	"reflect"
	"strings"
	"unsafe"

	"millstream.dev/millstream/contract"
)

// field is a typed field of a struct: where it is in the record, and where in the struct. Found by reflection once;
// after that only offsets are used.
type field struct {
	contract.FieldDeclaration
	// name of the field in the struct.
	name string
	// at is the offset of the value, validAt of whether there is one, where the field is optional.
	at, validAt uintptr
}

var optionalType = reflect.TypeFor[optional]()

// fieldsOf reads the tags `field:"/path"` of a struct.
func fieldsOf(of reflect.Type) ([]field, error) {
	if of.Kind() != reflect.Struct {
		return nil, fmt.Errorf("%s is no struct with typed fields", of)
	}
	var fields []field
	for at := range of.NumField() {
		member := of.Field(at)
		path, tagged := member.Tag.Lookup("field")
		if !tagged {
			continue
		}
		if !strings.HasPrefix(path, "/") {
			return nil, fmt.Errorf("%s.%s: the tag field:%q is no path such as /user/id", of, member.Name, path)
		}
		found := field{name: member.Name, at: member.Offset}
		found.Path = path
		element := member.Type
		if element.Implements(optionalType) {
			found.Optional = true
			found.at += element.Field(0).Offset
			found.validAt = member.Offset + element.Field(1).Offset
			element = element.Field(0).Type
		}
		kind, ok := columnType(element)
		if !ok {
			return nil, fmt.Errorf("%s.%s: a typed field is an int64, float64, bool, string, []byte for any JSON, or an Optional of one of them, and no %s",
				of, member.Name, element)
		}
		found.Kind = kind
		fields = append(fields, found)
	}
	return fields, nil
}

func columnType(of reflect.Type) (contract.ColumnType, bool) {
	switch of.Kind() {
	case reflect.Int64, reflect.Int:
		return contract.Int64, of.Size() == 8
	case reflect.Float64:
		return contract.Float64, true
	case reflect.Bool:
		return contract.Boolean, true
	case reflect.String:
		return contract.UTF8, true
	case reflect.Slice:
		return contract.Bytes, of.Elem().Kind() == reflect.Uint8
	}
	return 0, false
}

func declarations(fields []field) []contract.FieldDeclaration {
	var declared []contract.FieldDeclaration
	for at := range fields {
		declared = append(declared, fields[at].FieldDeclaration)
	}
	return declared
}

// fieldReader reads a column into a field of structs.
type fieldReader struct {
	field
	ints   []int64
	floats []float64
	column column
	text   string
}

// readColumns takes the typed columns of a batch.
func readColumns(readers []fieldReader, batch *contract.RecordBatch) error {
	if len(batch.Columns) != len(readers) {
		return BatchError(fmt.Errorf("the host passed %d typed columns where %d are declared", len(batch.Columns), len(readers)))
	}
	for at := range readers {
		reader, given := &readers[at], &batch.Columns[at]
		reader.column = columnOf(&contract.BytesColumn{Offsets: given.Offsets, Data: given.Data, Validity: given.Validity})
		switch reader.Kind {
		case contract.Int64:
			reader.ints = numbers[int64](given.Data)
		case contract.Float64:
			reader.floats = numbers[float64](given.Data)
		case contract.UTF8:
			// One copy for the whole column, so that texts may be kept.
			reader.text = string(given.Data)
		}
	}
	return nil
}

// readRow fills a struct.
func readRow(readers []fieldReader, into unsafe.Pointer, row int) {
	for at := range readers {
		r := &readers[at]
		value := unsafe.Add(into, r.at)
		if r.Optional {
			present := !r.column.isNull(row)
			*(*bool)(unsafe.Add(into, r.validAt)) = present
			if !present {
				r.clear(value)
				continue
			}
		}
		switch r.Kind {
		case contract.Int64:
			*(*int64)(value) = r.ints[row]
		case contract.Float64:
			*(*float64)(value) = r.floats[row]
		case contract.UTF8:
			*(*string)(value) = r.text[r.column.offsets[row]:r.column.offsets[row+1]]
		case contract.Boolean:
			*(*bool)(value) = r.column.data[row>>3]>>(row&7)&1 == 1
		case contract.Bytes:
			*(*[]byte)(value) = r.column.data[r.column.offsets[row]:r.column.offsets[row+1]]
		}
	}
}

// clear sets a field to its zero value.
func (r *fieldReader) clear(value unsafe.Pointer) {
	switch r.Kind {
	case contract.Int64:
		*(*int64)(value) = 0
	case contract.Float64:
		*(*float64)(value) = 0
	case contract.UTF8:
		*(*string)(value) = ""
	case contract.Boolean:
		*(*bool)(value) = false
	case contract.Bytes:
		*(*[]byte)(value) = nil
	}
}
