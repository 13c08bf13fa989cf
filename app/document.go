package app

import (
	"fmt"
	"math"
	"time"

	"github.com/defarm-repo/defarm/app/canon"
)

// ItemDocument returns the JSON that is published for an item (contract 04
// §8.3): the whole item and nothing else, in the canonical form of package
// canon, so that the same item always has the same bytes and the same CID.
//
// The item's own instants are whole seconds, as every answer shows them. An
// identifier's verification date is the client's and keeps its fraction.
//
// Data must hold canonical values. A confidence that is no finite number is an
// error.
func ItemDocument(it *Item) ([]byte, error) {
	if math.IsNaN(it.Confidence) || math.IsInf(it.Confidence, 0) {
		return nil, fmt.Errorf("encode item document: confidence is not a finite number")
	}
	d := document{buf: make([]byte, 0, 1024)}
	d.field('{', "aliases")
	d.list(len(it.Aliases), func(i int) { d.alias(&it.Aliases[i]) })
	d.field(',', "confidence_score")
	d.buf = canon.AppendFloat(d.buf, it.Confidence)
	d.field(',', "creation_timestamp")
	d.second(it.CreatedAt)
	d.field(',', "dfid")
	d.text(it.DFID)
	d.field(',', "enriched_data")
	d.buf = canon.AppendObject(d.buf, it.Data)
	d.field(',', "fingerprint")
	d.textOrNull(it.Fingerprint)
	d.field(',', "identifiers")
	d.list(len(it.Identifiers), func(i int) { d.identifier(&it.Identifiers[i]) })
	d.field(',', "last_modified")
	d.second(it.ModifiedAt)
	d.field(',', "legacy_mode")
	d.truth(it.LegacyMode)
	d.field(',', "local_id")
	if it.LocalID != nil {
		d.text(it.LocalID.String())
	} else {
		d.textOrNull("")
	}
	d.field(',', "source_entries")
	d.list(len(it.SourceEntries), func(i int) { d.text(it.SourceEntries[i].String()) })
	d.field(',', "status")
	d.status(it)
	d.raw("}")
	return d.buf, nil
}

// document is canonical JSON in the making. Its users name the members of each
// object in ascending order.
type document struct{ buf []byte }

func (d *document) raw(s string) { d.buf = append(d.buf, s...) }

// field starts a member; open is '{' for the first one, ',' for the others.
func (d *document) field(open byte, name string) {
	d.buf = append(d.buf, open, '"')
	d.buf = append(d.buf, name...)
	d.buf = append(d.buf, '"', ':')
}

func (d *document) text(s string) { d.buf = canon.AppendString(d.buf, s) }

func (d *document) textOrNull(s string) {
	if s == "" {
		d.raw("null")
		return
	}
	d.text(s)
}

func (d *document) truth(b bool) {
	if b {
		d.raw("true")
	} else {
		d.raw("false")
	}
}

func (d *document) second(t time.Time) { d.text(FormatZ(t.Truncate(time.Second))) }

func (d *document) list(n int, element func(i int)) {
	d.raw("[")
	for i := range n {
		if i > 0 {
			d.raw(",")
		}
		element(i)
	}
	d.raw("]")
}

func (d *document) alias(a *ExternalAlias) {
	d.field('{', "evidence_hash")
	d.text(a.EvidenceHash)
	d.field(',', "issued_at")
	d.second(a.IssuedAt)
	d.field(',', "issuer_id")
	d.text(a.IssuerID)
	d.field(',', "scheme")
	d.text(a.Scheme)
	d.field(',', "value")
	d.text(a.Value)
	d.raw("}")
}

func (d *document) identifier(id *Identifier) {
	d.field('{', "id_type")
	if id.Canonical {
		d.field('{', "Canonical")
		d.field('{', "registry")
		d.text(id.Key)
		d.field(',', "verification_date")
		if id.VerifiedAt.IsZero() {
			d.raw("null")
		} else {
			d.text(FormatZ(id.VerifiedAt))
		}
		d.field(',', "verified")
		d.truth(id.Verified)
	} else {
		d.field('{', "Contextual")
		d.field('{', "scope")
		d.text(id.Scope)
	}
	d.raw("}}")
	d.field(',', "key")
	d.text(id.Key)
	d.field(',', "namespace")
	d.text(id.Namespace)
	d.field(',', "value")
	d.text(id.Value)
	d.raw("}")
}

// status is the plain name, or {"MergedInto":"<local id>"}.
func (d *document) status(it *Item) {
	if it.Status != ItemMergedInto {
		d.text(string(it.Status))
		return
	}
	d.field('{', string(ItemMergedInto))
	d.text(it.MergedInto)
	d.raw("}")
}
