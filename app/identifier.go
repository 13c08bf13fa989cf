package app

import (
	"encoding/json"
	"strings"
	"time"
)

// DefaultNamespace is what an identifier gets that names none.
const DefaultNamespace = "generic"

// Namespaces are the valid namespaces (contract 02 §6.3).
var Namespaces = []string{"bovino", "aves", "suino", "soja", "milho", "algodao", "cafe", "leite", "generic"}

// Identifier is a name of an item: a canonical one is given by a registry (an
// ear-tag number, a tax number) and names one thing in the world; a contextual
// one (a lot, a paddock) means something only to the one who gave it.
//
// Namespace is "" on a local item whose client named none. That is shown as
// DefaultNamespace and stays distinguishable for the push, which replaces it by
// the circuit's default (contract 04 S8); a traced item always has one.
type Identifier struct {
	Namespace string
	Key       string // for canonical identifiers also the registry
	Value     string // as the client wrote it
	Canonical bool
	Scope     string // contextual only; "user" by default
	// Verified is claimed by the client and kept only with its date.
	Verified   bool
	VerifiedAt time.Time
}

// UniqueKey is namespace:key:value as written, as messages and hashes use it.
func (id Identifier) UniqueKey() string {
	return id.Namespace + ":" + id.Key + ":" + id.Value
}

// Equal compares every field, the verification included.
func (id Identifier) Equal(o Identifier) bool {
	return id.Namespace == o.Namespace && id.Key == o.Key && id.Value == o.Value &&
		id.Canonical == o.Canonical && id.Scope == o.Scope &&
		id.Verified == o.Verified && id.VerifiedAt.Equal(o.VerifiedAt)
}

// Same compares what an identifier says, leaving the verification out.
func (id Identifier) Same(o Identifier) bool {
	return id.Namespace == o.Namespace && id.Key == o.Key && id.Value == o.Value && id.Canonical == o.Canonical
}

// WellFormed applies contract 04 §9.3 (4): a valid namespace, non-blank key and
// value, and for canonical identifiers a value that the registry's forms
// accept.
func (id Identifier) WellFormed(accepts func(registry, value string) bool) bool {
	if strings.TrimSpace(id.Key) == "" || strings.TrimSpace(id.Value) == "" {
		return false
	}
	known := false
	for _, ns := range Namespaces {
		known = known || ns == id.Namespace
	}
	return known && (!id.Canonical || accepts(id.Key, id.Value))
}

// identifierJSON is the stored and published form (contract 02 §5.2).
type identifierJSON struct {
	Namespace string         `json:"namespace"`
	Key       string         `json:"key"`
	Value     string         `json:"value"`
	Type      map[string]any `json:"id_type"`
}

type canonicalJSON struct {
	Registry   string  `json:"registry"`
	Verified   bool    `json:"verified"`
	VerifiedAt *string `json:"verification_date"`
}

type contextualJSON struct {
	Scope string `json:"scope"`
}

// MarshalJSON writes the form that item documents carry:
// {"namespace","key","value","id_type":{"Canonical":{…}}}.
func (id Identifier) MarshalJSON() ([]byte, error) {
	out := identifierJSON{Namespace: id.Namespace, Key: id.Key, Value: id.Value}
	if id.Canonical {
		c := canonicalJSON{Registry: id.Key, Verified: id.Verified}
		if !id.VerifiedAt.IsZero() {
			s := FormatZ(id.VerifiedAt)
			c.VerifiedAt = &s
		}
		out.Type = map[string]any{"Canonical": c}
	} else {
		out.Type = map[string]any{"Contextual": contextualJSON{Scope: id.Scope}}
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (id *Identifier) UnmarshalJSON(b []byte) error {
	var in struct {
		Namespace string `json:"namespace"`
		Key       string `json:"key"`
		Value     string `json:"value"`
		Type      struct {
			Canonical  *canonicalJSON  `json:"Canonical"`
			Contextual *contextualJSON `json:"Contextual"`
		} `json:"id_type"`
	}
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	*id = Identifier{Namespace: in.Namespace, Key: in.Key, Value: in.Value}
	if c := in.Type.Canonical; c != nil {
		id.Canonical, id.Verified = true, c.Verified
		if c.VerifiedAt != nil {
			at, err := time.Parse(time.RFC3339Nano, *c.VerifiedAt)
			if err != nil {
				return err
			}
			id.VerifiedAt = at.UTC()
		}
	} else if c := in.Type.Contextual; c != nil {
		id.Scope = c.Scope
	}
	return nil
}
