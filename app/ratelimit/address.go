package ratelimit

import "net/netip"

// AddressKey groups addresses by what one client controls: a single IPv4
// address, a /64 of IPv6. Unknown addresses are one group.
func AddressKey(addr netip.Addr) string {
	if !addr.IsValid() {
		return "unknown"
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		return addr.String()
	}
	p, err := addr.Prefix(64)
	if err != nil { // cannot be: every IPv6 address has one
		return addr.String()
	}
	return p.String()
}
