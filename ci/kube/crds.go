// Package kube pins what the cluster tests start and install; it has no code of its own.
package kube

import _ "sigs.k8s.io/gateway-api/apis/v1" // its module carries the CRDs
