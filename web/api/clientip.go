package api

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// clientAddress returns the address of the real client: the peer of the
// socket, or, when the peer is a trusted proxy, the rightmost address in
// X-Forwarded-For that is no trusted proxy itself. What a client writes into
// the header is to the left of that and never believed.
func clientAddress(r *http.Request, trusted []netip.Prefix) netip.Addr {
	peer := parseHost(r.RemoteAddr)
	if len(trusted) == 0 || !within(peer, trusted) {
		return peer
	}
	client := peer
	lines := r.Header.Values("X-Forwarded-For")
	for _, line := range slices.Backward(lines) {
		for _, hop := range slices.Backward(strings.Split(line, ",")) {
			addr := parseHost(strings.TrimSpace(hop))
			if !addr.IsValid() {
				return client // not what a proxy of ours writes
			}
			client = addr
			if !within(addr, trusted) {
				return client
			}
		}
	}
	return client
}

// parseHost reads an address with or without a port. IPv4 in IPv6 is IPv4.
func parseHost(s string) netip.Addr {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}

func within(addr netip.Addr, blocks []netip.Prefix) bool {
	return slices.ContainsFunc(blocks, func(p netip.Prefix) bool { return p.Contains(addr) })
}
