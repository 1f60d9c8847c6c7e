//! Host devices, GPUs, limits of block devices.

use crate::docker::{BlkioSpec, DeviceSpec, GpuSpec};
use crate::model::{BlkioConfig, Device, DeviceRequest, ThrottleDevice};

/// Devices of the host in the engine's terms.
pub(super) fn mapped(devices: &[Device]) -> Vec<DeviceSpec> {
    devices
        .iter()
        .map(|device| DeviceSpec {
            source: device.source.clone().unwrap_or_default(),
            target: device.target.clone().or_else(|| device.source.clone()).unwrap_or_default(),
            permissions: device.permissions.clone().unwrap_or_else(|| "rwm".into()),
        })
        .collect()
}

/// Requests for GPUs. One that names neither a number nor devices is for all (Specification, "gpus").
pub(super) fn gpus(requests: &[DeviceRequest]) -> Vec<GpuSpec> {
    requests
        .iter()
        .map(|request| GpuSpec {
            driver: request.driver.clone().unwrap_or_default(),
            count: match request.count {
                Some(count) => count,
                None if request.device_ids.is_empty() => -1,
                None => 0,
            },
            device_ids: request.device_ids.clone(),
            capabilities: if request.capabilities.is_empty() {
                vec!["gpu".into()]
            } else {
                request.capabilities.clone()
            },
            options: request.options.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        })
        .collect()
}

/// One request as `docker create --gpus` takes it: fields as in a line of CSV.
pub(super) fn gpu_option(gpu: &GpuSpec) -> String {
    if gpu.count == -1 && gpu.driver.is_empty() && gpu.options.is_empty() && gpu.capabilities == ["gpu"] {
        return "all".into();
    }
    let list = |name: &str, values: &[String]| match values {
        [] => None,
        [one] => Some(format!("{name}={one}")),
        several => Some(format!("\"{name}={}\"", several.join(","))),
    };
    let options: Vec<String> = gpu.options.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let capabilities: Vec<String> =
        gpu.capabilities.iter().filter(|capability| *capability != "gpu").cloned().collect();
    let count = match gpu.count {
        -1 => Some("count=all".to_owned()),
        0 => None,
        count => Some(format!("count={count}")),
    };
    let driver = (!gpu.driver.is_empty()).then(|| format!("driver={}", gpu.driver));
    let fields = [
        count,
        driver,
        list("device", &gpu.device_ids),
        list("capabilities", &capabilities),
        list("options", &options),
    ];
    fields.into_iter().flatten().collect::<Vec<_>>().join(",")
}

/// Limits of block devices.
pub(super) fn blkio(config: Option<&BlkioConfig>) -> BlkioSpec {
    let Some(config) = config else { return BlkioSpec::default() };
    let BlkioConfig {
        weight,
        weight_device,
        device_read_bps,
        device_read_iops,
        device_write_bps,
        device_write_iops,
        extensions: _,
    } = config;
    let rates = |devices: &[ThrottleDevice]| {
        devices.iter().map(|device| (device.path.clone(), device.rate.0)).collect::<Vec<_>>()
    };
    BlkioSpec {
        weight: weight.unwrap_or(0),
        weight_device: weight_device.iter().map(|device| (device.path.clone(), i64::from(device.weight))).collect(),
        read_bps: rates(device_read_bps),
        read_iops: rates(device_read_iops),
        write_bps: rates(device_write_bps),
        write_iops: rates(device_write_iops),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpus_in_the_words_of_the_docker_command() {
        let gpu = |capabilities: &[&str]| GpuSpec {
            capabilities: capabilities.iter().map(|word| (*word).to_owned()).collect(),
            ..GpuSpec::default()
        };
        assert_eq!(gpu_option(&GpuSpec { count: -1, ..gpu(&["gpu"]) }), "all");
        assert_eq!(
            gpu_option(&GpuSpec { count: 2, driver: "nvidia".into(), ..gpu(&["gpu"]) }),
            "count=2,driver=nvidia"
        );
        let ids = vec!["0".to_owned(), "3".to_owned()];
        let both = GpuSpec { device_ids: ids, ..gpu(&["gpu", "compute", "utility"]) };
        assert_eq!(gpu_option(&both), r#""device=0,3","capabilities=compute,utility""#);
    }

    #[test]
    fn a_request_without_a_number_is_for_all() {
        let all = gpus(&[DeviceRequest::default()]);
        assert_eq!((all[0].count, all[0].capabilities.as_slice()), (-1, &["gpu".to_owned()][..]));
    }
}
