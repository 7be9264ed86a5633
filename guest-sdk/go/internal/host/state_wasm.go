package host

import (
	"unsafe"

	"millstream.dev/millstream/contract"
	"millstream.dev/millstream/internal/abi"
)

// The state calls of the contract. Lists are passed as pointer and length, columns as three lists; results come
// in an area that the last argument points to, and of which the first word says whether the call was refused.

//go:wasmimport millstream:operator/state@0.1.0 get-many
func getMany(state uint32, o bytes, ol uint32, d bytes, dl uint32, v bytes, vl uint32, result bytes)

//go:wasmimport millstream:operator/state@0.1.0 put-many
func putMany(state uint32, o bytes, ol uint32, d bytes, dl uint32, v bytes, vl uint32,
	o2 bytes, ol2 uint32, d2 bytes, dl2 uint32, v2 bytes, vl2 uint32, result bytes)

//go:wasmimport millstream:operator/state@0.1.0 map-get-many
func mapGetMany(state uint32, o bytes, ol uint32, d bytes, dl uint32, v bytes, vl uint32,
	o2 bytes, ol2 uint32, d2 bytes, dl2 uint32, v2 bytes, vl2 uint32, result bytes)

//go:wasmimport millstream:operator/state@0.1.0 map-put-many
func mapPutMany(arguments bytes, result bytes)

//go:wasmimport millstream:operator/state@0.1.0 map-scan
func mapScan(state uint32, key bytes, keyLength uint32, start bytes, startLength uint32,
	hasEnd uint32, end bytes, endLength uint32, limit uint32, result bytes)

//go:wasmimport millstream:operator/state@0.1.0 map-clear-many
func mapClearMany(state uint32, o bytes, ol uint32, d bytes, dl uint32, v bytes, vl uint32, result bytes)

//go:wasmimport millstream:operator/state@0.1.0 list-append-many
func listAppendMany(state uint32, o bytes, ol uint32, d bytes, dl uint32, v bytes, vl uint32,
	o2 bytes, ol2 uint32, d2 bytes, dl2 uint32, v2 bytes, vl2 uint32, result bytes)

//go:wasmimport millstream:operator/state@0.1.0 list-read
func listRead(state uint32, key bytes, keyLength uint32, start uint64, limit uint32, result bytes)

//go:wasmimport millstream:operator/state@0.1.0 list-length
func listLength(state uint32, key bytes, keyLength uint32, result bytes)

//go:wasmimport millstream:operator/state@0.1.0 list-clear-many
func listClearMany(state uint32, o bytes, ol uint32, d bytes, dl uint32, v bytes, vl uint32, result bytes)

// refusal is a state-error: which one, and the reason.
type refusal struct {
	kind   uint32
	reason abi.List
}

// done is a result<_, state-error>.
type done struct {
	refused uint32
	why     refusal
}

// The areas that results come in, one call at a time.
var (
	columnResult struct {
		refused uint32
		column  abi.Column
	}
	pageResult struct {
		refused        uint32
		fields, values abi.Column
		more           uint32
	}
	lengthResult struct {
		refused uint32
		length  uint64
		_       uint64
	}
	doneResult done
	putArgs    struct {
		state                uint32
		keys, fields, values abi.Column
	}
)

func of(list []byte) (bytes, uint32) {
	return unsafe.Pointer(unsafe.SliceData(list)), uint32(len(list))
}

func refused(why *refusal) error { return Refused(abi.InText(why.reason)) }

func column() (contract.BytesColumn, error) {
	if columnResult.refused&0xff != 0 {
		return contract.BytesColumn{}, refused((*refusal)(unsafe.Pointer(&columnResult.column)))
	}
	return abi.InColumn(&columnResult.column), nil
}

func nothing() error {
	if doneResult.refused&0xff != 0 {
		return refused(&doneResult.why)
	}
	return nil
}

// GetMany reads value state.
func GetMany(state uint32, keys *contract.BytesColumn) (contract.BytesColumn, error) {
	withKeys(getMany, state, keys, unsafe.Pointer(&columnResult))
	return column()
}

// PutMany writes value state.
func PutMany(state uint32, keys, values *contract.BytesColumn) error {
	withPairs(putMany, state, keys, values, unsafe.Pointer(&doneResult))
	return nothing()
}

// MapGetMany reads map state.
func MapGetMany(state uint32, keys, fields *contract.BytesColumn) (contract.BytesColumn, error) {
	withPairs(mapGetMany, state, keys, fields, unsafe.Pointer(&columnResult))
	return column()
}

// MapPutMany writes map state.
func MapPutMany(state uint32, keys, fields, values *contract.BytesColumn) error {
	putArgs.state = state
	putArgs.keys, putArgs.fields, putArgs.values = abi.OutColumn(keys), abi.OutColumn(fields), abi.OutColumn(values)
	mapPutMany(unsafe.Pointer(&putArgs), unsafe.Pointer(&doneResult))
	return nothing()
}

// MapScan reads fields of a key from start on, and before end unless that is nil.
func MapScan(state uint32, key, start, end []byte, limit uint32) (contract.MapPage, error) {
	k, kl := of(key)
	s, sl := of(start)
	e, el := of(end)
	hasEnd := uint32(0)
	if end != nil {
		hasEnd = 1
	}
	mapScan(state, k, kl, s, sl, hasEnd, e, el, limit, unsafe.Pointer(&pageResult))
	if pageResult.refused&0xff != 0 {
		return contract.MapPage{}, refused((*refusal)(unsafe.Pointer(&pageResult.fields)))
	}
	fields, values := abi.InColumn(&pageResult.fields), abi.InColumn(&pageResult.values)
	return contract.MapPage{Fields: fields, Values: values, More: pageResult.more&0xff != 0}, nil
}

// MapClearMany deletes every field of keys.
func MapClearMany(state uint32, keys *contract.BytesColumn) error {
	withKeys(mapClearMany, state, keys, unsafe.Pointer(&doneResult))
	return nothing()
}

// ListAppendMany appends to list state.
func ListAppendMany(state uint32, keys, values *contract.BytesColumn) error {
	withPairs(listAppendMany, state, keys, values, unsafe.Pointer(&doneResult))
	return nothing()
}

// ListRead reads elements of a list.
func ListRead(state uint32, key []byte, start uint64, limit uint32) (contract.BytesColumn, error) {
	k, kl := of(key)
	listRead(state, k, kl, start, limit, unsafe.Pointer(&columnResult))
	return column()
}

// ListLength counts the elements of a list.
func ListLength(state uint32, key []byte) (uint64, error) {
	k, kl := of(key)
	listLength(state, k, kl, unsafe.Pointer(&lengthResult))
	if lengthResult.refused&0xff != 0 {
		return 0, refused((*refusal)(unsafe.Pointer(&lengthResult.length)))
	}
	return lengthResult.length, nil
}

// ListClearMany deletes the lists of keys.
func ListClearMany(state uint32, keys *contract.BytesColumn) error {
	withKeys(listClearMany, state, keys, unsafe.Pointer(&doneResult))
	return nothing()
}

type pairCall func(uint32, bytes, uint32, bytes, uint32, bytes, uint32,
	bytes, uint32, bytes, uint32, bytes, uint32, bytes)

// withPairs makes a call with two columns, whose answer is written into something.
func withPairs(call pairCall, state uint32, keys, values *contract.BytesColumn, into bytes) {
	o, ol := of(keys.Offsets)
	d, dl := of(keys.Data)
	v, vl := of(keys.Validity)
	o2, ol2 := of(values.Offsets)
	d2, dl2 := of(values.Data)
	v2, vl2 := of(values.Validity)
	call(state, o, ol, d, dl, v, vl, o2, ol2, d2, dl2, v2, vl2, into)
}

type keysCall func(uint32, bytes, uint32, bytes, uint32, bytes, uint32, bytes)

// withKeys makes a call with one.
func withKeys(call keysCall, state uint32, keys *contract.BytesColumn, into bytes) {
	o, ol := of(keys.Offsets)
	d, dl := of(keys.Data)
	v, vl := of(keys.Validity)
	call(state, o, ol, d, dl, v, vl, into)
}
