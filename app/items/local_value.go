package items

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/canon"
)

// keyValue is the value of one key while merges are applied to it. A list or an
// object that grows stays decoded, so that many small additions to a large one
// do not cost its size each time.
type keyValue struct {
	state    app.KeyState // its Value is stale while one of the others is set
	elements []json.RawMessage
	known    map[string]bool // the elements by their canonical bytes
	members  map[string]json.RawMessage
}

// apply merges what an item has under the key (contract 02 §6.8). Who wrote the
// value changes with the value only.
func (v *keyValue) apply(s app.MergeStrategy, given app.KeyState) error {
	if s == app.MergeAppend {
		switch {
		case isList(v.state.Value) && isList(given.Value):
			return v.appendElements(given)
		case isObject(v.state.Value) && isObject(given.Value):
			return v.putMembers(given)
		}
	}
	if !bytes.Equal(v.current().Value, given.Value) {
		*v = keyValue{state: given}
	}
	return nil
}

func isList(raw json.RawMessage) bool   { return len(raw) > 0 && raw[0] == '[' }
func isObject(raw json.RawMessage) bool { return len(raw) > 0 && raw[0] == '{' }

// appendElements adds the elements that the list lacks.
func (v *keyValue) appendElements(given app.KeyState) error {
	if v.known == nil {
		v.known = make(map[string]bool)
		if err := decodeData(v.state.Value, &v.elements); err != nil {
			return err
		}
		for _, e := range v.elements {
			v.known[string(e)] = true
		}
	}
	var more []json.RawMessage
	if err := decodeData(given.Value, &more); err != nil {
		return err
	}
	for _, e := range more {
		if !v.known[string(e)] {
			v.known[string(e)] = true
			v.elements = append(v.elements, e)
			v.state.From = given.From
		}
	}
	return nil
}

// putMembers replaces and adds members of the object, one level deep.
func (v *keyValue) putMembers(given app.KeyState) error {
	if v.members == nil {
		if err := decodeData(v.state.Value, &v.members); err != nil {
			return err
		}
	}
	var more map[string]json.RawMessage
	if err := decodeData(given.Value, &more); err != nil {
		return err
	}
	for name, value := range more {
		if have, ok := v.members[name]; !ok || !bytes.Equal(have, value) {
			v.members[name] = value
			v.state.From = given.From
		}
	}
	return nil
}

// current returns the value with everything applied.
func (v *keyValue) current() app.KeyState {
	switch {
	case v.known != nil:
		raw := append(make([]byte, 0, len(v.state.Value)), '[')
		raw = append(raw, bytes.Join(asBytes(v.elements), []byte{','})...)
		*v = keyValue{state: app.KeyState{Value: append(raw, ']'), From: v.state.From}}
	case v.members != nil:
		*v = keyValue{state: app.KeyState{Value: canon.AppendObject(nil, v.members), From: v.state.From}}
	}
	return v.state
}

func asBytes(raw []json.RawMessage) [][]byte {
	out := make([][]byte, len(raw))
	for i, r := range raw {
		out[i] = r
	}
	return out
}

// decodeData reads a canonical value one level deep; the parts are canonical, too.
func decodeData(raw json.RawMessage, into any) error {
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("decode item data: %w", err)
	}
	return nil
}

// sameState compares values and their authors.
func sameState(a, b app.KeyState) bool {
	if (a.From == nil) != (b.From == nil) || !bytes.Equal(a.Value, b.Value) {
		return false
	}
	return a.From == nil || (a.From.UserID == b.From.UserID && a.From.CircuitID == b.From.CircuitID && a.From.At.Equal(b.From.At))
}

// keyState is what an item has under a key.
func keyState(it *app.Item, key string) app.KeyState {
	s := app.KeyState{Value: it.Data[key]}
	if from, ok := it.Provenance[key]; ok {
		s.From = &from
	}
	return s
}

// setKey is the reverse of keyState.
func setKey(it *app.Item, key string, s app.KeyState) {
	delete(it.Data, key)
	delete(it.Provenance, key)
	if s.Value != nil {
		it.Data[key] = s.Value
	}
	if s.From != nil {
		it.Provenance[key] = *s.From
	}
}
