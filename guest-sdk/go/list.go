package millstream

import (
	"iter"
	"maps"
	"slices"

	"millstream.dev/millstream/contract"
	"millstream.dev/millstream/internal/host"
)

// List is a state with an append-only list for each key. Declare it as a field of the operator, as a [Value] is.
//
// Elements are read by calls to the host; what a batch appends goes to the host in one call when the batch is done.
type List[T any] struct {
	place
	codec codec[T]
	keys  map[uint32]*pendingList
	log   []listUndo
}

// pendingList is what the batch did to one key's list.
type pendingList struct {
	// cleared: nothing that the host has stands.
	cleared  bool
	appended [][]byte
	// stored is the number of elements that the host has, once asked for.
	stored uint64
	asked  bool
}

// listUndo is what the record in hand did: it appended, or with clearedFrom cleared the list.
type listUndo struct {
	group       uint32
	clearedFrom *pendingList
}

// Append appends an element to the key's list.
func (l *List[T]) Append(element T) error {
	group, err := l.group()
	if err != nil {
		return err
	}
	stored, err := l.codec.encode([]byte{}, &element)
	if err != nil {
		return l.unencodable(err)
	}
	pending := l.of(group)
	pending.appended = append(pending.appended, stored)
	l.log = append(l.log, listUndo{group: group})
	l.touch(l)
	return nil
}

// Len returns the number of elements.
func (l *List[T]) Len() (uint64, error) {
	group, err := l.group()
	if err != nil {
		return 0, err
	}
	stored, err := l.stored(group)
	return stored + uint64(len(l.of(group).appended)), err
}

// Each goes through the elements from index start on, in the order of appending, until visit returns an error.
func (l *List[T]) Each(start uint64, visit func(element T) error) error {
	group, err := l.group()
	if err != nil {
		return err
	}
	stored, err := l.stored(group)
	if err != nil {
		return err
	}
	show := func(bytes []byte) error {
		var element T
		if err := l.codec.decode(bytes, &element); err != nil {
			return l.undecodable(err)
		}
		return visit(element)
	}
	for start < stored {
		found, err := host.ListRead(l.index, l.key(group), start, uint32(min(page, stored-start)))
		if err != nil {
			return l.refused(err)
		}
		elements := columnOf(&found)
		if elements.len() == 0 {
			break
		}
		for row := range elements.len() {
			if err := show(elements.get(row)); err != nil {
				return err
			}
		}
		start += uint64(elements.len())
	}
	appended := l.of(group).appended
	if skipped := start - min(start, stored); skipped < uint64(len(appended)) {
		for _, bytes := range appended[skipped:] {
			if err := show(bytes); err != nil {
				return err
			}
		}
	}
	return nil
}

// All goes through the elements in the order of appending. What goes wrong on the way fails the record.
func (l *List[T]) All() iter.Seq[T] {
	return func(yield func(T) bool) {
		err := l.Each(0, func(element T) error {
			if !yield(element) {
				return errStop
			}
			return nil
		})
		if err != nil && err != errStop {
			panic(recordFailure{err})
		}
	}
}

// Clear removes every element of the key's list.
func (l *List[T]) Clear() error {
	group, err := l.group()
	if err != nil {
		return err
	}
	l.log = append(l.log, listUndo{group: group, clearedFrom: l.of(group)})
	l.keys[group] = &pendingList{cleared: true}
	l.touch(l)
	return nil
}

func (l *List[T]) of(group uint32) *pendingList {
	pending := l.keys[group]
	if pending == nil {
		pending = &pendingList{}
		l.keys[group] = pending
	}
	return pending
}

// stored is the number of elements that the host has.
func (l *List[T]) stored(group uint32) (uint64, error) {
	pending := l.of(group)
	if pending.cleared || pending.asked {
		return pending.stored, nil
	}
	stored, err := host.ListLength(l.index, l.key(group))
	if err != nil {
		return 0, l.refused(err)
	}
	pending.stored, pending.asked = stored, true
	return stored, nil
}

func (l *List[T]) kind() contract.StateKind { return contract.ListState }

func (l *List[T]) bind(f *frame, declaration contract.StateDeclaration, index uint32, asJSON bool) {
	l.frame, l.declaration, l.index, l.codec = f, declaration, index, codecOf[T](asJSON)
	l.keys = map[uint32]*pendingList{}
}

func (l *List[T]) begin(*contract.BytesColumn) error { return nil }

func (l *List[T]) keep() { l.log, l.touched = l.log[:0], false }

func (l *List[T]) undo() {
	for _, undo := range slices.Backward(l.log) {
		if undo.clearedFrom != nil {
			l.keys[undo.group] = undo.clearedFrom
			continue
		}
		pending := l.keys[undo.group]
		pending.appended = pending.appended[:len(pending.appended)-1]
	}
	l.keep()
}

func (l *List[T]) finish(*changes) error {
	var cleared, keys, elements columnBuilder
	for _, group := range slices.Sorted(maps.Keys(l.keys)) {
		pending, key := l.keys[group], l.key(group)
		if pending.cleared {
			cleared.push(key)
		}
		for _, element := range pending.appended {
			keys.push(key)
			elements.push(element)
		}
	}
	if cleared.len() > 0 {
		of := cleared.finish()
		if err := host.ListClearMany(l.index, &of); err != nil {
			return l.refused(err)
		}
	}
	if keys.len() > 0 {
		of, appended := keys.finish(), elements.finish()
		if err := host.ListAppendMany(l.index, &of, &appended); err != nil {
			return l.refused(err)
		}
	}
	return nil
}

func (l *List[T]) leave() {
	clear(l.keys)
	l.keep()
}
