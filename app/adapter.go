package app

import (
	"fmt"
	"strings"
)

// AdapterType names where a circuit stores its items, as "<item>-<event>"
// back ends; hyphenated on the wire (contract 04 §8.1).
type AdapterType string

// The adapter types. "custom-<name>" is accepted too.
const (
	AdapterNone           AdapterType = "none"
	AdapterIPFS           AdapterType = "ipfs-ipfs"
	AdapterStellarTestnet AdapterType = "stellar_testnet-ipfs"
	AdapterStellarMainnet AdapterType = "stellar_mainnet-ipfs"
	AdapterEthereumGoerli AdapterType = "ethereum_goerli-ipfs"
	AdapterPolygonArweave AdapterType = "polygon-arweave"
)

var adapterNames = []struct {
	wire  AdapterType
	debug string
	alias string // spelling of a shipped client (contract 03 R12)
}{
	{AdapterNone, "None", ""},
	{AdapterIPFS, "IpfsIpfs", ""},
	{AdapterStellarTestnet, "StellarTestnetIpfs", "stellar-testnet-ipfs"},
	{AdapterStellarMainnet, "StellarMainnetIpfs", "stellar-mainnet-ipfs"},
	{AdapterEthereumGoerli, "EthereumGoerliIpfs", ""},
	{AdapterPolygonArweave, "PolygonArweave", ""},
}

// ParseAdapterType reads a wire, CamelCase or tolerated spelling; outer blanks
// are dropped and case matters. The error text is the contract's.
func ParseAdapterType(s string) (AdapterType, error) {
	t := strings.TrimSpace(s)
	for _, n := range adapterNames {
		if t == string(n.wire) || t == n.debug || (n.alias != "" && t == n.alias) {
			return n.wire, nil
		}
	}
	if strings.HasPrefix(t, "custom-") && len(t) > len("custom-") && len(t) <= 100 {
		return AdapterType(t), nil
	}
	return "", fmt.Errorf("Unknown adapter type: %s", s) //nolint:staticcheck // the contract's literal text
}

// DebugName is the CamelCase spelling that messages use.
func (a AdapterType) DebugName() string {
	for _, n := range adapterNames {
		if a == n.wire {
			return n.debug
		}
	}
	if name, ok := strings.CutPrefix(string(a), "custom-"); ok {
		return fmt.Sprintf("Custom(%q)", name)
	}
	return "None"
}

// Set reports whether the type names a real back end: neither absent nor
// "none", which the contract treats alike.
func (a AdapterType) Set() bool { return a != "" && a != AdapterNone }

// TierAdapters lists what a tier may use by default (contract 04 §9.5).
func TierAdapters(t Tier) []AdapterType {
	switch t {
	case TierProfessional:
		return []AdapterType{AdapterIPFS, AdapterStellarTestnet}
	case TierEnterprise, TierAdmin:
		return []AdapterType{AdapterIPFS, AdapterStellarTestnet, AdapterStellarMainnet}
	default:
		return []AdapterType{AdapterIPFS}
	}
}

// UsableAdapters lists what the account may use when it pushes.
func (u *User) UsableAdapters() []AdapterType {
	if len(u.Adapters) > 0 {
		return u.Adapters
	}
	return TierAdapters(u.Tier)
}

// MaySelect reports whether the tier may put the adapter on a circuit. The
// check is the tier's alone: a personal list and sponsorship do not matter.
func (t Tier) MaySelect(a AdapterType) bool {
	if !a.Set() {
		return true
	}
	for _, have := range TierAdapters(t) {
		if have == a {
			return true
		}
	}
	return false
}
