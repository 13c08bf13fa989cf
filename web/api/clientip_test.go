package api

import (
	"net/http"
	"net/netip"
	"testing"
)

func TestClientAddress(t *testing.T) {
	t.Parallel()
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	tests := []struct {
		name    string
		peer    string
		forward []string
		trusted []netip.Prefix
		want    string
	}{
		{"peer", "192.0.2.1:5", nil, nil, "192.0.2.1"},
		{"peer, header not believed", "192.0.2.1:5", []string{"198.51.100.9"}, proxies, "192.0.2.1"},
		{"no proxy trusted", "10.0.0.1:5", []string{"198.51.100.9"}, nil, "10.0.0.1"},
		{"proxy", "10.0.0.1:5", []string{"198.51.100.9"}, proxies, "198.51.100.9"},
		{"forged on the left", "10.0.0.1:5", []string{"203.0.113.7, 198.51.100.9"}, proxies, "198.51.100.9"},
		{"two proxies", "10.0.0.1:5", []string{"198.51.100.9, 10.0.0.2"}, proxies, "198.51.100.9"},
		{"two lines", "10.0.0.1:5", []string{"203.0.113.7, 198.51.100.9", "10.0.0.2"}, proxies, "198.51.100.9"},
		{"proxies only", "10.0.0.1:5", []string{"10.0.0.3, 10.0.0.2"}, proxies, "10.0.0.3"},
		{"proxy without header", "10.0.0.1:5", nil, proxies, "10.0.0.1"},
		{"garbage", "10.0.0.1:5", []string{"198.51.100.9, unknown, 10.0.0.2"}, proxies, "10.0.0.2"},
		{"empty", "10.0.0.1:5", []string{""}, proxies, "10.0.0.1"},
		{"with ports", "10.0.0.1:5", []string{"198.51.100.9:1234"}, proxies, "198.51.100.9"},
		{"IPv6", "[fd00::1]:5", []string{"[2001:db8::7]:1, [fd00::2]"}, proxies, "2001:db8::7"},
		{"IPv6 with a zone", "[fe80::1%eth0]:5", nil, nil, "fe80::1"},
		{"IPv4 in IPv6", "[::ffff:10.0.0.1]:5", []string{"::ffff:198.51.100.9"}, proxies, "198.51.100.9"},
		{"no address", "@", nil, proxies, "invalid IP"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := &http.Request{RemoteAddr: tt.peer, Header: http.Header{"X-Forwarded-For": tt.forward}}
			if got := clientAddress(r, tt.trusted).String(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
