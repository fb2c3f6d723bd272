"""Full-size encoders made by the libraries that own their names."""

import pytest
import torch


def randomised(model, seed=0):
    """The model with every tensor unlike its initial value, in eval mode."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith('num_batches_tracked'):
                tensor.fill_(7)
            elif tensor.ndim < 2 and tensor.is_floating_point():
                noise = torch.rand(tensor.shape, generator=generator)
                tensor.add_((noise - 0.5) * 0.2)
    return model.eval()


@pytest.fixture(scope='session')
def resnet50():
    """torchvision's ResNet-50 without classifier."""
    import torchvision

    model = torchvision.models.resnet50()
    model.fc = torch.nn.Identity()
    return randomised(model)


@pytest.fixture(scope='session')
def resnet18():
    """torchvision's ResNet-18 without classifier."""
    import torchvision

    model = torchvision.models.resnet18()
    model.fc = torch.nn.Identity()
    return randomised(model)


@pytest.fixture(scope='session')
def vit_base():
    """timm's ViT-B/16 without classifier."""
    timm = pytest.importorskip('timm', reason='timm is a test dependency')
    return randomised(timm.create_model('vit_base_patch16_224', num_classes=0))


@pytest.fixture(scope='session')
def vit_tiny():
    """timm's ViT-Ti/16 without classifier."""
    timm = pytest.importorskip('timm', reason='timm is a test dependency')
    return randomised(timm.create_model('vit_tiny_patch16_224', num_classes=0))


@pytest.fixture(scope='session')
def images():
    """One image, (1, 3, 224, 224)."""
    return torch.randn(
        1, 3, 224, 224, generator=torch.Generator().manual_seed(1)
    )
