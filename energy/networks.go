package energy

// This file lists the networks. Source: Du et al. (2021), appendix, and their code, whose parameter names these are. f is the
// number of filters. In the networks for digits, attention is an option that theirs have not; it looks at the image at a quarter of
// its resolution, as in the network for CIFAR-10.

import "github.com/joule-ebm/joule/expr"

// networks are the tables: for each network its towers, one for each scale, small to large.
var networks = []network{
	{
		Network: Network{
			Name:    "quick",
			About:   "digits in minutes: three down blocks after a pooled first layer",
			Image:   expr.Shape{28, 28, 1},
			Filters: 16,
		},
		towers: []tower{{
			blocks: []block{ //        channels  resolution
				{"", pool},               // f        1/2
				{"res1", downWiden},      // 2f       1/4
				{"self_attn", attention}, // 2f
				{"res2", downWiden},      // 4f       1/8
				{"res3", downWiden},      // 8f       1/16
			},
		}},
	},
	{
		Network: Network{
			Name:    "mnist",
			About:   "the paper's network for MNIST: three down blocks",
			Image:   expr.Shape{28, 28, 1},
			Filters: 64,
		},
		towers: []tower{{
			blocks: []block{
				{"res1", downWiden},      // 2f       1/2
				{"res2", downWiden},      // 4f       1/4
				{"self_attn", attention}, // 4f
				{"res3", downWiden},      // 8f       1/8
			},
		}},
	},
	{
		Network: Network{
			Name:       "cifar10",
			About:      "the paper's network for 32×32 images: eight blocks, three scales",
			Image:      expr.Shape{32, 32, 3},
			Filters:    64,
			MultiScale: true,
			Attention:  true,
		},
		towers: []tower{
			{
				prefix:   "small_",
				halvings: 2,
				blocks: []block{
					{"res_1a", plain},     // f
					{"res_1b", down},      // f    1/2
					{"res_2a", plain},     // f
					{"res_2b", downWiden}, // 2f   1/4
				},
			},
			{
				prefix:   "mid_",
				halvings: 1,
				blocks: []block{
					{"res_1a", plain},     // f
					{"res_1b", down},      // f    1/2
					{"res_2a", plain},     // f
					{"res_2b", downWiden}, // 2f   1/4
					{"res_3a", plain},     // 2f
					{"res_3b", downWiden}, // 4f   1/8
				},
			},
			{
				blocks: []block{
					{"res_1a", plain},        // f
					{"res_1b", down},         // f    1/2
					{"res_2a", plain},        // f
					{"res_2b", downWiden},    // 2f   1/4
					{"self_attn", attention}, // 2f
					{"res_3a", plain},        // 2f
					{"res_3b", downWiden},    // 4f   1/8
					{"res_4a", plain},        // 4f
					{"res_4b", downWiden},    // 8f   1/16
				},
			},
		},
	},
	{
		Network: Network{
			Name:       "celeba128",
			About:      "the paper's network for 128×128 images: eight blocks, three scales",
			Image:      expr.Shape{128, 128, 3},
			Filters:    128,
			MultiScale: true,
			Attention:  true,
		},
		towers: []tower{
			{
				prefix:   "small_",
				halvings: 2,
				blocks: []block{
					{"res_1a", down},      // f    1/2
					{"res_1b", down},      // f    1/4
					{"res_2a", down},      // f    1/8
					{"res_2b", downWiden}, // 2f   1/16
				},
			},
			{
				prefix:   "mid_",
				halvings: 1,
				blocks: []block{
					{"res_1a", down},      // f    1/2
					{"res_1b", down},      // f    1/4
					{"res_2a", down},      // f    1/8
					{"res_2b", downWiden}, // 2f   1/16
					{"res_3a", plain},     // 2f
					{"res_3b", downWiden}, // 4f   1/32
				},
			},
			{
				halfWidth: true, // the first layer makes f/2 channels
				blocks: []block{
					{"res_1a", downWiden},    // f    1/2
					{"res_1b", down},         // f    1/4
					{"res_2a", down},         // f    1/8
					{"res_2b", downWiden},    // 2f   1/16
					{"res_3a", plain},        // 2f
					{"res_3b", downWiden},    // 4f   1/32
					{"self_attn", attention}, // 4f
					{"res_4a", plain},        // 4f
					{"res_4b", downWiden},    // 8f   1/64
				},
			},
		},
	},
}
