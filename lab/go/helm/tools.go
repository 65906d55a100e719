//go:build tools

// Package tools names every program of this module, so that `go mod tidy` keeps their pins.
package tools

import _ "helm.sh/helm/v3/cmd/helm"
