// Package registry knows the registries that give canonical identifiers: which
// values each of them issues, the one normal form of every value, and its
// check digits.
//
// A value is accepted when the contract's rule takes it (contract 02 §6.3) or
// when it has one of the forms that tags and documents really carry. Registries
// are named by their exact lower-case name; any other name accepts everything.
//
// Two spellings of one number have one normal form. The unique index and every
// lookup use that; the client's spelling is what is kept and returned. So a
// normal form, once stored, may not change.
//
// Check digits and ranges never refuse a value: a tag with a wrong digit still
// hangs on an animal's ear. They are warnings about data quality.
package registry

import "strings"

// The warnings. They hold nothing of the value.
const (
	WarnForm     = "the value has none of the forms of its registry"
	WarnCheck    = "the check digit does not match"
	WarnState    = "the state does not exist"
	WarnPlace    = "the state and the municipality do not agree"
	WarnCountry  = "the country or manufacturer code is out of range"
	WarnNumber   = "the number is out of range"
	WarnNoAnimal = "the chip's code is not marked as an animal's"
)

// family is what the package knows about one registry.
type family struct {
	// contract is the contract's rule, nil where it takes everything.
	contract func(value string) bool
	// parse brings a value of one of the real forms to its normal form.
	parse func(value string) (normal string, ok bool)
	// fallback is the normal form of values that parse does not take, nil
	// for the value without outer white space.
	fallback func(value string) string
	// check lists what is wrong with a normal form that parse gave, nil
	// where there is nothing to check.
	check func(normal string) []string
}

// familyOf is the table of registries.
func familyOf(registry string) (family, bool) {
	switch registry {
	case "sisbov":
		return family{parse: parseSISBOV, contract: refuse, check: checkSISBOV}, true
	case "rfid":
		return family{parse: parseRFID, contract: atLeast(10), check: checkRFID}, true
	case "cpf":
		return family{parse: parseCPF, contract: refuse, check: checkCPF}, true
	case "cnpj":
		return family{parse: parseCNPJ, contract: refuse, check: checkCNPJ}, true
	case "car":
		return family{parse: parseCAR, contract: contractCAR, fallback: upper, check: checkCAR}, true
	case "nirf":
		return family{parse: parseNIRF, contract: contractNIRF, fallback: compactUpper, check: checkNIRF}, true
	case "ie":
		return family{parse: parseIE, contract: atLeast(8), fallback: compactUpper}, true
	case "gta":
		return family{parse: parseGTA, check: checkGTA}, true
	case "gtin":
		return family{parse: parseGTIN, check: checkGS1}, true
	case "gln":
		return family{parse: digitsOf(13), check: checkGS1}, true
	case "sscc":
		return family{parse: digitsOf(18), check: checkGS1}, true
	default:
		return family{}, false
	}
}

// Accepts reports whether the registry issues values like this one: by the
// contract's rule or by one of the real forms. Blank values are accepted only
// where the contract has no rule; whether an identifier may be blank is decided
// elsewhere.
func Accepts(registry, value string) bool {
	f, known := familyOf(registry)
	if !known || f.contract == nil || f.contract(value) {
		return true
	}
	_, ok := f.parse(value)
	return ok
}

// Normal returns the normal form of a value. Values that the registry does not
// accept have one too. Normal of a normal form is that form.
func Normal(registry, value string) string {
	f, known := familyOf(registry)
	if known {
		if n, ok := f.parse(value); ok {
			return n
		}
		if f.fallback != nil {
			return f.fallback(value)
		}
	}
	return strings.TrimSpace(value)
}

// Warnings lists what looks wrong with a value, nil when nothing does. It never
// means that the value must be refused.
func Warnings(registry, value string) []string {
	f, known := familyOf(registry)
	if !known {
		return nil
	}
	n, ok := f.parse(value)
	switch {
	case ok && f.check != nil:
		return f.check(n)
	case ok:
		return nil
	case registry == "rfid" && unmarkedChip(value):
		return []string{WarnNoAnimal}
	case f.contract != nil && f.contract(value):
		return nil
	default:
		return []string{WarnForm}
	}
}

// CanonicalKey is the key of the unique index over canonical identifiers:
// namespace, registry and normal form, joined by colons. Neither of the first
// two may hold a colon for it to be unambiguous across namespaces.
func CanonicalKey(namespace, registry, value string) string {
	return namespace + ":" + registry + ":" + Normal(registry, value)
}

// refuse is the contract's rule where parse already takes all that it takes.
func refuse(string) bool { return false }

// atLeast takes values of n bytes or more.
func atLeast(n int) func(string) bool {
	return func(value string) bool { return len(value) >= n }
}
