package circuits

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/registry"
)

// conflict is a canonical identifier that names another item than the one that
// the push resolved to. The first hit wins; the others are kept on the
// operation for people to look at (contract 04 S9).
type conflict struct {
	Identifier string `json:"identifier"`
	DFID       string `json:"dfid"`
}

// combine gives what is pushed: the stored local item's identifiers and data
// with the request's on top, namespaces applied.
func (p *push) combine(tx app.Tx) ([]app.Identifier, map[string]json.RawMessage, error) {
	identifiers := slices.Clone(p.in.Identifiers)
	data := p.in.Data
	m, err := tx.Items().Mapping(p.in.LocalID)
	switch {
	case err == nil:
		if m.OwnerID != p.who.UserID {
			return nil, nil, app.Forbidden(app.ReasonLocalItemForeign, "Permission denied: Local item belongs to another user")
		}
		known, err := tx.Items().ByRow(m.Row)
		if err != nil {
			return nil, nil, err
		}
		if !known.Local() {
			p.target, p.mapped = known, true // the local id stays with its DFID
			break
		}
		if known.Status != app.ItemActive {
			return nil, nil, app.NotFound(app.ReasonLocalItemNotFound, "Local item not found")
		}
		p.local = known
		identifiers = append(slices.Clone(known.Identifiers), identifiers...)
		data = maps.Clone(known.Data)
		if data == nil {
			data = make(map[string]json.RawMessage)
		}
		maps.Copy(data, p.in.Data)
	case app.CodeOf(err) == app.CodeNotFound:
		if len(identifiers) == 0 {
			return nil, nil, err
		}
	default:
		return nil, nil, err
	}
	return app.UnionIdentifiers(nil, applyNamespace(p.circuit, identifiers)), data, nil
}

// applyNamespace gives identifiers without a namespace the circuit's, unless
// its alias configuration says otherwise (contract 04 §9.2, S8).
func applyNamespace(c *app.Circuit, identifiers []app.Identifier) []app.Identifier {
	ns := app.DefaultNamespace
	if c.Alias == nil || c.Alias.AutoApplyNamespace {
		ns = c.DefaultNamespace
	}
	for i := range identifiers {
		if identifiers[i].Namespace == "" {
			identifiers[i].Namespace = ns
		}
	}
	return identifiers
}

// checkAlias applies contract 04 §9.3; nothing is checked without a
// configuration.
func checkAlias(alias *app.AliasConfig, identifiers []app.Identifier) error {
	if alias == nil {
		return nil
	}
	refuse := func(format string, args ...any) error {
		return app.Invalid(app.ReasonAliasRule, "Validation error: "+format, args...)
	}
	if alias.AllowedNamespaces != nil {
		for _, id := range identifiers {
			if !slices.Contains(alias.AllowedNamespaces, id.Namespace) {
				return refuse("Namespace '%s' not allowed in this circuit", id.Namespace)
			}
		}
	}
	has := func(canonical bool, key string) bool {
		return slices.ContainsFunc(identifiers, func(id app.Identifier) bool {
			return id.Canonical == canonical && id.Key == key
		})
	}
	for _, reg := range alias.RequiredCanonical {
		if !has(true, reg) {
			return refuse("Required canonical identifier '%s' not provided", reg)
		}
	}
	for _, key := range alias.RequiredContextual {
		if !has(false, key) {
			return refuse("Required contextual identifier '%s' not provided", key)
		}
	}
	for _, id := range identifiers {
		if !id.WellFormed(registry.Accepts) {
			return refuse("Invalid identifier format: %s", id.UniqueKey())
		}
	}
	return nil
}

// resolve finds the traced item that the identifiers name (contract 04 §9.4)
// and returns the fingerprint under which a new one is to be remembered, "" for
// none.
func (p *push) resolve(tx app.Tx, identifiers []app.Identifier) (fingerprint string, err error) {
	for _, id := range identifiers {
		if !id.Canonical {
			continue
		}
		holder, err := app.Holder(tx.Items(), id)
		if err != nil {
			return "", err
		}
		switch {
		case holder == nil || (p.target != nil && p.target.Row == holder.Row):
		case p.target == nil:
			p.target = holder
		default:
			p.conflicts = append(p.conflicts, conflict{Identifier: id.UniqueKey(), DFID: holder.DFID})
		}
	}
	if p.target != nil || p.circuit.Alias == nil || !p.circuit.Alias.UseFingerprint || len(identifiers) == 0 {
		return "", nil
	}
	fingerprint = app.Fingerprint(p.who.UserID, identifiers)
	row, err := tx.Items().ByFingerprint(p.circuit.Row, fingerprint)
	if err != nil || row == 0 {
		return fingerprint, err
	}
	known, err := tx.Items().ByRow(row)
	if err != nil || known.Status != app.ItemActive {
		return "", err // the name stays with what is out of use; the new item goes without
	}
	p.target = known
	return "", nil
}
