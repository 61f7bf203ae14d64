"""Starting weights that already do something sensible; on few channels and few steps they decide whether training works."""
import torch

from models import LATENT_CHANNELS, VaeAttention, VaeResBlock


@torch.no_grad()
def structured_init(vae):
    """Makes the untrained autoencoder a blurry copy machine. GroupNorm(32) on few channels erases the mean colour, so
    every channel gets a partner of opposite sign in its group: the group mean is then 0, the norm keeps the colour and
    silu(x) - silu(-x) = x keeps the path linear."""

    def paired_identity(c_out, c_in):
        w = torch.zeros(c_out, c_in)
        for o in range(c_out):
            w[o, (o // 2 * 2) % c_in] = 1.0 if o % 2 == 0 else -1.0
        return w

    for module in vae.modules():
        if isinstance(module, VaeResBlock):
            module.conv2.weight.zero_(), module.conv2.bias.zero_()
            if hasattr(module, "nin_shortcut"):
                c_out, c_in = module.nin_shortcut.weight.shape[:2]
                module.nin_shortcut.weight.copy_(paired_identity(c_out, c_in)[:, :, None, None])
                module.nin_shortcut.bias.zero_()
        elif isinstance(module, VaeAttention):
            module.proj_out.weight.zero_(), module.proj_out.bias.zero_()
    for stage in vae.encoder.down:
        if hasattr(stage, "downsample"):
            w = stage.downsample.conv.weight
            w.zero_(), stage.downsample.conv.bias.zero_()
            w[:, :, :2, :2] = torch.eye(w.shape[0])[:, :, None, None] / 4
    for stage in vae.decoder.up:
        if hasattr(stage, "upsample"):
            w = stage.upsample.conv.weight
            w.zero_(), stage.upsample.conv.bias.zero_()
            w[:, :, 1, 1] = torch.eye(w.shape[0])
    for conv, rows in ((vae.encoder.conv_in, 3), (vae.decoder.conv_in, LATENT_CHANNELS)):
        conv.weight.zero_(), conv.bias.zero_()
        for o in range(conv.weight.shape[0]):
            conv.weight[o, (o // 2) % rows, 1, 1] = 1.0 if o % 2 == 0 else -1.0
    for conv, c_out in ((vae.encoder.conv_out, 3), (vae.decoder.conv_out, 3)):
        conv.weight.zero_(), conv.bias.zero_()
        c_in = conv.weight.shape[1]
        for c in range(c_in):
            o = (c // 2) % (3 if conv is vae.encoder.conv_out else LATENT_CHANNELS)
            if o < c_out:
                conv.weight[o, c, 1, 1] = (1.0 if c % 2 == 0 else -1.0) * 2 * c_out / c_in
    vae.encoder.conv_out.weight.add_(torch.randn_like(vae.encoder.conv_out.weight) * 0.01)
    vae.quant_conv.weight.copy_(torch.eye(8)[:, :, None, None]), vae.quant_conv.bias.zero_()
    vae.quant_conv.bias[LATENT_CHANNELS:] = -5.0
    vae.post_quant_conv.weight.copy_(torch.eye(4)[:, :, None, None]), vae.post_quant_conv.bias.zero_()


@torch.no_grad()
def copy_input_init(unet):
    """Makes the untrained UNet answer "the noise is the input", which is nearly right at high noise: pairs of channels of
    opposite sign carry the input over the outermost skip connection, as in structured_init."""
    first, last, final = unet.input_blocks[0][0], unet.output_blocks[-1][0].skip_connection, unet.out[2]
    c = first.weight.shape[0]
    first.weight.mul_(0.1), first.bias.zero_(), last.bias.zero_()
    last.weight.mul_(0.1)
    last.weight[:, -c:, 0, 0] += torch.eye(c)
    pairs_per_latent = c // 2 / LATENT_CHANNELS
    for o in range(c):
        sign = 1.0 if o % 2 == 0 else -1.0
        first.weight[o, (o // 2) % LATENT_CHANNELS, 1, 1] += sign
        final.weight[(o // 2) % LATENT_CHANNELS, o, 1, 1] = sign / pairs_per_latent
