// Package ipfs cuts documents into IPFS blocks and puts them together again. It
// computes only: blocks are stored and served elsewhere, and nothing here
// touches a network.
//
// The root is the CID that `ipfs add --cid-version=0` gives for the same bytes:
// SHA-256, DAG-PB nodes holding UnixFS files, chunks of 256 KiB wrapped as file
// nodes, and a balanced tree of at most 174 links a node. Those bytes are
// published under that name, so none of them may ever change; the tests hold
// CIDs made by the IPFS project's own importer.
//
// Both messages are a handful of protobuf fields in an order that the DAG-PB
// specification fixes. They are written with protobuf's wire package rather
// than with generated code: it is exact by construction, quick, and keeps the
// IPLD libraries out of the server. The tests compare with those libraries.
package ipfs
