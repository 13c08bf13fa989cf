package app

import "encoding/json"

// Recipient is the user to whom a Direct event is addressed, or "".
func (e *Event) Recipient() string { return e.metadataText("recipient_id") }

// InCircuit reports whether the event belongs to the circuit: by its metadata
// or because it was pushed there.
func (e *Event) InCircuit(circuitID string) bool {
	if e.PushedToCircuit != nil && e.PushedToCircuit.String() == circuitID {
		return true
	}
	return e.metadataText("circuit_id") == circuitID
}

func (e *Event) metadataText(key string) string {
	var s string
	if raw, ok := e.Metadata[key]; !ok || json.Unmarshal(raw, &s) != nil {
		return "" // metadata is free form: another type is not an address
	}
	return s
}

// CircuitIDs lists the circuits that InCircuit is true for.
func (e *Event) CircuitIDs() []string {
	var ids []string
	if e.PushedToCircuit != nil {
		ids = append(ids, e.PushedToCircuit.String())
	}
	if id := e.metadataText("circuit_id"); id != "" {
		ids = append(ids, id)
	}
	return ids
}
