package millstream

import (
	"iter"
	"maps"
	"slices"

	"millstream.dev/millstream/contract"
	"millstream.dev/millstream/internal/host"
)

// page is how many fields or elements one call to the host reads.
const page = 256

// Map is a state with a map from fields to values for each key, ordered by field. Declare it as a field of the
// operator, as a [Value] is.
//
// Fields are read by calls to the host when they are first asked for, and remembered for the batch; changes go to the
// host in one call when the batch is done.
type Map[K Field, V any] struct {
	place
	codec codec[V]
	keys  map[uint32]*cachedMap
	log   []mapUndo
}

// cachedMap is what is known of one key's map.
type cachedMap struct {
	// cleared: nothing that the host has stands.
	cleared bool
	fields  map[string]mapEntry
}

type mapEntry struct {
	// value is nil where the field is not there.
	value   []byte
	changed bool
}

// mapUndo is what the record in hand replaced: a field, or with clearedFrom the whole map.
type mapUndo struct {
	group       uint32
	field       string
	before      mapEntry
	known       bool
	clearedFrom *cachedMap
}

// Get returns the value of a field; found: there is one.
func (m *Map[K, V]) Get(field K) (value V, found bool, err error) {
	group, err := m.group()
	if err != nil {
		return value, false, err
	}
	cached, name := m.of(group), appendField(nil, field)
	entry, known := cached.fields[string(name)]
	if !known {
		if !cached.cleared {
			if entry.value, err = m.fetch(group, name); err != nil {
				return value, false, err
			}
		}
		cached.fields[string(name)] = entry
	}
	if entry.value == nil {
		return value, false, nil
	}
	if err := m.codec.decode(entry.value, &value); err != nil {
		return value, false, m.undecodable(err)
	}
	return value, true, nil
}

// Set sets the value of a field.
func (m *Map[K, V]) Set(field K, value V) error {
	stored, err := m.codec.encode([]byte{}, &value)
	if err != nil {
		return m.unencodable(err)
	}
	return m.replace(field, stored)
}

// Remove removes a field.
func (m *Map[K, V]) Remove(field K) error { return m.replace(field, nil) }

// Clear removes every field of the key.
func (m *Map[K, V]) Clear() error {
	group, err := m.group()
	if err != nil {
		return err
	}
	m.log = append(m.log, mapUndo{group: group, clearedFrom: m.of(group)})
	m.keys[group] = &cachedMap{cleared: true, fields: map[string]mapEntry{}}
	m.touch(m)
	return nil
}

// Each goes through the fields and values of the key in ascending order, until visit returns an error.
func (m *Map[K, V]) Each(visit func(field K, value V) error) error {
	return m.each(nil, nil, visit)
}

// EachIn goes through the fields from start on and before end, in ascending order.
func (m *Map[K, V]) EachIn(start, end K, visit func(field K, value V) error) error {
	return m.each(appendField(nil, start), appendField([]byte{}, end), visit)
}

// All goes through the fields and values of the key in ascending order. What goes wrong on the way fails the record.
func (m *Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		err := m.Each(func(field K, value V) error {
			if !yield(field, value) {
				return errStop
			}
			return nil
		})
		if err != nil && err != errStop {
			panic(recordFailure{err})
		}
	}
}

func (m *Map[K, V]) each(start, end []byte, visit func(K, V) error) error {
	group, err := m.group()
	if err != nil {
		return err
	}
	for more := end == nil || string(start) < string(end); more; {
		var found map[string][]byte
		if found, start, err = m.page(group, start, end); err != nil {
			return err
		}
		more = start != nil
		for _, name := range slices.Sorted(maps.Keys(found)) {
			field, err := readField[K]([]byte(name))
			if err != nil {
				return m.undecodable(err)
			}
			var value V
			if err := m.codec.decode(found[name], &value); err != nil {
				return m.undecodable(err)
			}
			if err := visit(field, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// page returns the next entries from start on, what the host has with what the batch changed over it, and where to go
// on; nil: nowhere.
func (m *Map[K, V]) page(group uint32, start, end []byte) (map[string][]byte, []byte, error) {
	cached, merged := m.of(group), map[string][]byte{}
	var next []byte
	if !cached.cleared {
		found, err := host.MapScan(m.index, m.key(group), start, end, page)
		if err != nil {
			return nil, nil, m.refused(err)
		}
		fields, values := columnOf(&found.Fields), columnOf(&found.Values)
		for row := range fields.len() {
			merged[string(fields.get(row))] = slices.Clone(values.get(row))
		}
		if last := fields.len() - 1; found.More && last >= 0 {
			// The smallest field after the last one.
			next = append(slices.Clone(fields.get(last)), 0)
		}
	}
	until := end
	if next != nil {
		until = next
	}
	for field, entry := range cached.fields {
		switch {
		case field < string(start) || until != nil && field >= string(until):
		case entry.value != nil:
			merged[field] = entry.value
		default:
			delete(merged, field)
		}
	}
	return merged, next, nil
}

func (m *Map[K, V]) replace(field K, stored []byte) error {
	group, err := m.group()
	if err != nil {
		return err
	}
	cached, name := m.of(group), string(appendField(nil, field))
	before, known := cached.fields[name]
	m.log = append(m.log, mapUndo{group: group, field: name, before: before, known: known})
	cached.fields[name] = mapEntry{value: stored, changed: true}
	m.touch(m)
	return nil
}

func (m *Map[K, V]) of(group uint32) *cachedMap {
	cached := m.keys[group]
	if cached == nil {
		cached = &cachedMap{fields: map[string]mapEntry{}}
		m.keys[group] = cached
	}
	return cached
}

func (m *Map[K, V]) fetch(group uint32, field []byte) ([]byte, error) {
	key, fields := one(m.key(group)), one(field)
	found, err := host.MapGetMany(m.index, &key, &fields)
	if err != nil {
		return nil, m.refused(err)
	}
	column := columnOf(&found)
	if value := column.get(0); value != nil {
		return append([]byte{}, value...), nil
	}
	return nil, nil
}

func (m *Map[K, V]) kind() contract.StateKind { return contract.MapState }

func (m *Map[K, V]) bind(f *frame, declaration contract.StateDeclaration, index uint32, asJSON bool) {
	m.frame, m.declaration, m.index, m.codec = f, declaration, index, codecOf[V](asJSON)
	m.keys = map[uint32]*cachedMap{}
}

func (m *Map[K, V]) begin(*contract.BytesColumn) error { return nil }

func (m *Map[K, V]) keep() { m.log, m.touched = m.log[:0], false }

func (m *Map[K, V]) undo() {
	for _, undo := range slices.Backward(m.log) {
		switch cached := m.keys[undo.group]; {
		case undo.clearedFrom != nil:
			m.keys[undo.group] = undo.clearedFrom
		case undo.known:
			cached.fields[undo.field] = undo.before
		default:
			delete(cached.fields, undo.field)
		}
	}
	m.keep()
}

func (m *Map[K, V]) finish(*changes) error {
	var cleared, keys, fields, values columnBuilder
	for _, group := range slices.Sorted(maps.Keys(m.keys)) {
		cached, key := m.keys[group], m.key(group)
		if cached.cleared {
			cleared.push(key)
		}
		for _, field := range slices.Sorted(maps.Keys(cached.fields)) {
			if entry := cached.fields[field]; entry.changed {
				keys.push(key)
				fields.pushText(field)
				values.push(entry.value)
			}
		}
	}
	if cleared.len() > 0 {
		of := cleared.finish()
		if err := host.MapClearMany(m.index, &of); err != nil {
			return m.refused(err)
		}
	}
	if keys.len() > 0 {
		of, names, stored := keys.finish(), fields.finish(), values.finish()
		if err := host.MapPutMany(m.index, &of, &names, &stored); err != nil {
			return m.refused(err)
		}
	}
	return nil
}

func (m *Map[K, V]) leave() {
	clear(m.keys)
	m.keep()
}
