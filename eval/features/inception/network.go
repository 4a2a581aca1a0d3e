package inception

// This file is the network as a table: Inception-v3 of Szegedy et al., "Rethinking the Inception architecture for computer vision",
// CVPR 2016, as the TensorFlow graph of December 2015 has it that FID was defined with. It differs from the network that torchvision
// calls inception_v3 in its weights, in mean pools that do not count the padding, in a largest-value pool in the last block, and in
// 1008 classes. Names are those of pytorch-fid's file of weights.

import "github.com/joule-ebm/joule/eval/features/inception/forward"

// A layer is a convolution, batch-normalised and followed by max(·, 0), or a pool; then come those that take its result. The results
// of all layers that nothing comes after are the channels of the block's.
type layer struct {
	name     string // of a convolution; "" for a pool
	outputs  int
	geometry forward.Geometry
	mean     bool // of a pool
	then     []layer
}

// A block is a part of the network whose result the next one takes.
type block struct {
	name   string
	layers []layer
}

func conv(name string, outputs int, g forward.Geometry, then ...layer) layer {
	return layer{name: name, outputs: outputs, geometry: g, then: then}
}

// conv1 has a kernel of 1×1, same one that keeps the size of the image.
func conv1(name string, outputs int, then ...layer) layer {
	return conv(name, outputs, forward.Square(1, 1, 0), then...)
}

func same(name string, outputs, height, width int, then ...layer) layer {
	return conv(name, outputs, forward.Geometry{Height: height, Width: width, Stride: 1, PadHeight: height / 2, PadWidth: width / 2}, then...)
}

// halve has a kernel of 3×3 at stride 2.
func halve(name string, outputs int) layer { return conv(name, outputs, forward.Square(3, 2, 0)) }

// meanPool and maxPool keep the size of the image, maxHalve has stride 2.
func meanPool(then ...layer) layer {
	return layer{geometry: forward.Square(3, 1, 1), mean: true, then: then}
}

func maxPool(then ...layer) layer { return layer{geometry: forward.Square(3, 1, 1), then: then} }

func maxHalve() layer { return layer{geometry: forward.Square(3, 2, 0)} }

// single is a block of one layer; its convolution has the name of the block.
func single(name string, l layer) block { return block{name, []layer{l}} }

var network = []block{
	single("Conv2d_1a_3x3", halve("", 32)), // 3×299×299 to 32×149×149
	single("Conv2d_2a_3x3", conv("", 32, forward.Square(3, 1, 0))),
	single("Conv2d_2b_3x3", same("", 64, 3, 3)),
	single("maxpool1", maxHalve()), // 64×73×73
	single("Conv2d_3b_1x1", conv1("", 80)),
	single("Conv2d_4a_3x3", conv("", 192, forward.Square(3, 1, 0))),
	single("maxpool2", maxHalve()), // 192×35×35
	mixed35("Mixed_5b", 32),
	mixed35("Mixed_5c", 64),
	mixed35("Mixed_5d", 64), // 288×35×35
	{"Mixed_6a", []layer{
		halve("branch3x3", 384),
		conv1("branch3x3dbl_1", 64, same("branch3x3dbl_2", 96, 3, 3, halve("branch3x3dbl_3", 96))),
		maxHalve(),
	}},
	mixed17("Mixed_6b", 128),
	mixed17("Mixed_6c", 160),
	mixed17("Mixed_6d", 160),
	mixed17("Mixed_6e", 192), // 768×17×17
	{"Mixed_7a", []layer{
		conv1("branch3x3_1", 192, halve("branch3x3_2", 320)),
		conv1("branch7x7x3_1", 192, same("branch7x7x3_2", 192, 1, 7, same("branch7x7x3_3", 192, 7, 1, halve("branch7x7x3_4", 192)))),
		maxHalve(),
	}},
	mixed8("Mixed_7b", meanPool), // 2048×8×8
	mixed8("Mixed_7c", maxPool),
}

func mixed35(name string, pooled int) block {
	return block{name, []layer{
		conv1("branch1x1", 64),
		conv1("branch5x5_1", 48, same("branch5x5_2", 64, 5, 5)),
		conv1("branch3x3dbl_1", 64, same("branch3x3dbl_2", 96, 3, 3, same("branch3x3dbl_3", 96, 3, 3))),
		meanPool(conv1("branch_pool", pooled)),
	}}
}

func mixed17(name string, n int) block {
	return block{name, []layer{
		conv1("branch1x1", 192),
		conv1("branch7x7_1", n, same("branch7x7_2", n, 1, 7, same("branch7x7_3", 192, 7, 1))),
		conv1("branch7x7dbl_1", n, same("branch7x7dbl_2", n, 7, 1, same("branch7x7dbl_3", n, 1, 7,
			same("branch7x7dbl_4", n, 7, 1, same("branch7x7dbl_5", 192, 1, 7))))),
		meanPool(conv1("branch_pool", 192)),
	}}
}

func mixed8(name string, pool func(...layer) layer) block {
	return block{name, []layer{
		conv1("branch1x1", 320),
		conv1("branch3x3_1", 384, same("branch3x3_2a", 384, 1, 3), same("branch3x3_2b", 384, 3, 1)),
		conv1("branch3x3dbl_1", 448, same("branch3x3dbl_2", 384, 3, 3, same("branch3x3dbl_3a", 384, 1, 3), same("branch3x3dbl_3b", 384, 3, 1))),
		pool(conv1("branch_pool", 192)),
	}}
}
