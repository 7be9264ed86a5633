package abi

import (
	"unsafe"

	"millstream.dev/millstream/contract"
)

// The records of the contract as they lie in memory. Pointers have 32 bits; alignments are those of Go.

// List is a list<u8> or a string, or a list of any other type.
type List struct{ Ptr, Len uint32 }

// Column is a bytes-column.
type Column struct{ Offsets, Data, Validity List }

// Headers is a header-column.
type Headers struct {
	Offsets       List
	Names, Values Column
}

// Typed is a typed-column.
type Typed struct {
	Name                    List
	Kind                    uint8
	Offsets, Data, Validity List
}

// Batch is a record-batch.
type Batch struct {
	Count      uint32
	Keys       Column
	Values     Column
	Headers    Headers
	Timestamps List
	Columns    List
}

// Optional is an option of a string or a list.
type Optional struct {
	Some uint32
	List List
}

// Failures is a failure-column.
type Failures struct {
	Records List
	Reasons Column
}

// pointer makes an address one. What is at it is the arena's, or kept by a Go pointer elsewhere.
//
//go:nosplit
func pointer(at uintptr) unsafe.Pointer {
	return *(*unsafe.Pointer)(unsafe.Pointer(&at))
}

//go:nosplit
func toPointer(pages *[3 * pageBytes]byte) unsafe.Pointer { return unsafe.Pointer(pages) }

// At reads a record that the host has passed.
func At[T any](at uint32) *T { return (*T)(pointer(uintptr(at))) }

// Address is where a value lies that the caller keeps alive until the next call.
func Address[T any](value *T) uint32 { return uint32(uintptr(unsafe.Pointer(value))) }

// In reads the elements of a list that the host has passed.
func In[T any](list List) []T {
	if list.Len == 0 {
		return nil
	}
	return unsafe.Slice((*T)(pointer(uintptr(list.Ptr))), list.Len)
}

// InText reads a string that the host has passed, and copies it.
func InText(list List) string { return string(In[byte](list)) }

// InColumn reads a column that the host has passed.
func InColumn(column *Column) contract.BytesColumn {
	return contract.BytesColumn{
		Offsets: In[byte](column.Offsets), Data: In[byte](column.Data), Validity: In[byte](column.Validity),
	}
}

// InColumns reads columns that the host has passed.
func InColumns(list List) []contract.BytesColumn {
	raw := In[Column](list)
	if len(raw) == 0 {
		return nil
	}
	columns := make([]contract.BytesColumn, len(raw))
	for at := range raw {
		columns[at] = InColumn(&raw[at])
	}
	return columns
}

// InBatch reads records that the host has passed.
func InBatch(raw *Batch) contract.RecordBatch {
	batch := contract.RecordBatch{
		Count:  raw.Count,
		Keys:   InColumn(&raw.Keys),
		Values: InColumn(&raw.Values),
		Headers: contract.HeaderColumn{
			Offsets: In[byte](raw.Headers.Offsets),
			Names:   InColumn(&raw.Headers.Names),
			Values:  InColumn(&raw.Headers.Values),
		},
		Timestamps: In[byte](raw.Timestamps),
	}
	for _, column := range In[Typed](raw.Columns) {
		batch.Columns = append(batch.Columns, contract.TypedColumn{
			Name: InText(column.Name), Kind: contract.ColumnType(column.Kind), Offsets: In[byte](column.Offsets),
			Data: In[byte](column.Data), Validity: In[byte](column.Validity),
		})
	}
	return batch
}

// Out passes a list.
func Out[T any](list []T) List {
	return List{Ptr: uint32(uintptr(unsafe.Pointer(unsafe.SliceData(list)))), Len: uint32(len(list))}
}

// OutText passes a string.
func OutText(text string) List {
	return List{Ptr: uint32(uintptr(unsafe.Pointer(unsafe.StringData(text)))), Len: uint32(len(text))}
}

// OutOptional passes a string that is nothing where it is empty.
func OutOptional(text string) Optional {
	if text == "" {
		return Optional{}
	}
	return Optional{Some: 1, List: OutText(text)}
}

// OutColumn passes a column.
func OutColumn(column *contract.BytesColumn) Column {
	return Column{Offsets: Out(column.Offsets), Data: Out(column.Data), Validity: Out(column.Validity)}
}

// OutFailures passes failures.
func OutFailures(failures *contract.FailureColumn) Failures {
	return Failures{Records: Out(failures.Records), Reasons: OutColumn(&failures.Reasons)}
}
