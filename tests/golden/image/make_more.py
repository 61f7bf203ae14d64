"""Adds to this folder what Pillow says about blurs, blends, grey and WebP: /usr/bin/python3 make_more.py (Pillow 9.4)."""
import json
import struct

import PIL
from PIL import Image, ImageFilter

TEXT = "猫の絵, café\nNegative prompt: 犬\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 64x48"
scene = Image.open("scene_33x17.png").convert("RGB")
mask = Image.open("mask_96x64.png").convert("L")
big = Image.open("scene_100x70.png").convert("RGB").crop((0, 0, 96, 64))
cases = {"format": "image-more-v1", "pil": PIL.__version__, "blur": []}
for name, image in (("scene_33x17", scene), ("mask_96x64", mask)):
    for radius in (0.5, 1, 2.5, 4, 10, 64):
        output = f"blur_{name}_{radius}.png"
        image.filter(ImageFilter.GaussianBlur(radius)).save(output)
        cases["blur"].append({"input": name + ".png", "mode": image.mode, "radius": radius, "output": output})

big.convert("L").save("grey_96x64.png")
Image.composite(big.transpose(Image.Transpose.FLIP_LEFT_RIGHT), big, mask).save("composite_96x64.png")
big.save("base_96x64.png")

rgba = big.copy()
rgba.putalpha(mask)
rgba.save("webp_rgba_lossless.webp", lossless=True, exact=True)
big.save("webp_lossy.webp", quality=80)
Image.open("webp_lossy.webp").convert("RGB").save("expect_webp_lossy.png")
frames = [scene, scene.transpose(Image.Transpose.FLIP_TOP_BOTTOM)]
frames[0].save("webp_animation.webp", save_all=True, append_images=frames[1:], lossless=True)
exif = Image.Exif()
exif[0x0112] = 6
big.save("webp_orientation6.webp", lossless=True, exif=exif)
big.save("png_orientation6.png", exif=exif)
big.transpose(Image.Transpose.ROTATE_270).save("expect_orientation6.png")


def tiff(order, comment):
    """A TIFF structure with ImageDescription and, in the EXIF directory, UserComment; `order` is < or >."""
    description = b"a description\0"
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    first = struct.pack(order + "HHHIIHHIII", 2, 0x010E, 2, len(description), 38, 0x8769, 4, 1, 52, 0)
    second = struct.pack(order + "HHHIII", 1, 0x9286, 7, len(comment), 70, 0)
    return b"Exif\0\0" + head + first + description + second + comment


big.save("comment_utf16be.jpg", exif=tiff(">", b"UNICODE\0" + TEXT.encode("utf-16-be")))
big.save("comment_utf16le.webp", exif=tiff("<", b"UNICODE\0" + TEXT.encode("utf-16-le")))
big.save("comment_ascii.jpg", exif=tiff("<", b"ASCII\0\0\0plain words\0"), comment=b"a JPEG comment")
cases["comment"] = TEXT
json.dump(cases, open("more.json", "w"), indent=1, ensure_ascii=False)
