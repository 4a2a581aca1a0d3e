package inception

import "github.com/joule-ebm/joule/internal/remote"

// Weights is the file of weights that pytorch-fid and torch-fidelity use, from where pytorch-fid's authors publish it.
var Weights = remote.Source{
	Name:   "pt_inception-2015-12-05-6726825d.pth",
	URL:    "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
	Size:   95_628_359,
	SHA256: "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
}

// DefaultPath is where the weights are kept unless another place is named: the user's cache directory.
func DefaultPath() (string, error) { return remote.CachePath(Weights.Name) }
